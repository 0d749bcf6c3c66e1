"""Preset of Ory Hydra, and refusals of all servers on the library fosite, such as Authelia: sentence, then hint."""

from broker.core.diagnosis import Act
from broker.providers.preset import Preset
from broker.providers.rows import Row

# ory/fosite's source; the algorithm is the one that the client is registered with.
PRESET = Preset(title="Ory Hydra", client={"assertion": {"audience": "token_endpoint"}})

ROWS = (
    Row(
        says=("The JSON Web Token must contain a kid header value but did not",),
        reason="kid_refused",
        act=Act.KEY,
        cause="The server wants a kid in the assertion, and the key has none.",
        fix="Write the kid that is registered for the client as kid in clients.<name>.private_keys.",
    ),
    Row(
        says=("The JSON Web Token uses signing key with kid",),
        reason="kid_refused",
        act=Act.KEY,
        cause="The client's registered JWKS has no key with the assertion's kid.",
        fix="Register what `token-broker jwks --client NAME` prints as the client's jwks, or correct kid in"
        " clients.<name>.private_keys.",
    ),
    Row(
        says=("public key with use='sig' for kid",),
        reason="jwks_refused",
        act=Act.OPERATOR,
        cause="The key that is registered under this kid is of another type than the assertion's algorithm wants, or is"
        ' not marked "use": "sig".',
        fix="Register exactly what `token-broker jwks --client NAME` prints, and the same algorithm as the client's"
        " token_endpoint_auth_signing_alg.",
    ),
    Row(
        says=("Unable to verify the integrity of the 'client_assertion' value",),
        reason="signature_refused",
        act=Act.KEY,
        cause="The signature does not fit the registered key, or the assertion had expired.",
        fix="Compare what `token-broker jwks --client NAME` prints with the client's jwks, and this machine's clock"
        " with the server's.",
    ),
    Row(
        codes=("jti_known",),
        reason="assertion_replayed",
        act=Act.REBUILD,
        cause="The server received the same assertion twice, although the broker makes a new one for every attempt.",
        fix="Nothing, if it does not come back: a new assertion is sent at once; otherwise turn off the retries of the"
        " proxy or service mesh on the way.",
    ),
    Row(
        says=("from 'client_assertion' MUST only be used once",),
        reason="assertion_replayed",
        act=Act.REBUILD,
        cause="The server received the same assertion twice, although the broker makes a new one for every attempt.",
        fix="Nothing, if it does not come back: a new assertion is sent at once; otherwise turn off the retries of the"
        " proxy or service mesh on the way.",
    ),
    Row(
        says=("from 'client_assertion' must match the authorization server's token endpoint",),
        reason="audience_refused",
        act=Act.OPERATOR,
        cause="The assertion's aud is not the token endpoint's URL as the server itself knows it.",
        fix="Set clients.<name>.assertion.audience to the URL in the server's words, or have the server's public URL"
        " corrected.",
    ),
    Row(
        says=("from 'client_assertion' must match the 'client_id' of the OAuth 2.0 Client",),
        reason="client_unknown",
        act=Act.OPERATOR,
        cause="The assertion speaks for another client than the request.",
        fix="Correct clients.<name>.client_id, and take client_id out of tokens.<name>.parameters.",
    ),
    Row(
        says=("You must configure the OAuth 2.0 client's 'token_endpoint_auth_method' value to accept",),
        reason="auth_method",
        act=Act.OPERATOR,
        cause="The client is registered with another token_endpoint_auth_method than private_key_jwt.",
        fix="Set the client's token_endpoint_auth_method to private_key_jwt, and register what"
        " `token-broker jwks --client NAME` prints as its jwks.",
    ),
)
