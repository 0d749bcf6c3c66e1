"""Preset of Maskinporten, and refusals of both Maskinporten and ID-porten (docs.digdir.no).

The codes MP-... stand in `error_uri`, which is not looked at: the sentences are as good. The general one begins all.
"""

from broker.core.diagnosis import Act
from broker.providers.digdir import digdir
from broker.providers.grant_rules import only_jwt_bearer
from broker.providers.preset import Rule
from broker.providers.rows import Row

PRESET = digdir(
    "Maskinporten",
    r"authorization_details|consumer_org|iss_onbehalfof|pid|resource",
    Rule(
        key="issuer",
        pattern=r"(?!https://(test\.)?maskinporten\.no$|https://test\.sky\.maskinporten\.no/$).*",
        reason="Maskinporten's issuers are https://maskinporten.no/ and https://test.maskinporten.no/, with the"
        " slash at the end, and https://test.sky.maskinporten.no without",
    ),
    only_jwt_bearer("Maskinporten"),
)

GRANT = ("invalid_grant", "invalid_request", "invalid_client", "invalid grant")

ROWS = (
    Row(  # MP-110
        codes=GRANT,
        says=("Client authentication failed. Invalid JWT claim aud",),
        reason="audience_refused",
        act=Act.OPERATOR,
        cause="The assertion's aud is not Maskinporten's issuer, character for character: https://maskinporten.no/ ends"
        " with a slash, https://test.sky.maskinporten.no does not.",
        fix="Copy issuer from the metadata of the environment that is called to clients.<name>.issuer, slash included,"
        " and set clients.<name>.assertion.audience to issuer.",
    ),
    Row(  # MP-120
        codes=GRANT,
        says=("The JWT is signed with an invalid certificate",),
        reason="signature_refused",
        act=Act.KEY,
        cause="The certificate is not a valid enterprise certificate for this environment: a test certificate in"
        " production, or the other way round.",
        fix="Sign with the environment's own certificate, or register a key on the client instead: what"
        " `token-broker jwks --client NAME` prints.",
    ),
    Row(  # MP-121
        codes=GRANT,
        says=("Client authentication failed. Expired key",),
        reason="key_expired",
        act=Act.KEY,
        cause="The key that is registered on the client has run out: Maskinporten keeps a key for one year.",
        fix="Register a new key on the client, or the same one again: what `token-broker jwks --client NAME` prints;"
        " and put the next date into a calendar.",
    ),
    Row(
        codes=GRANT,
        says=("Client authentication failed. Invalid JWT signature",),
        reason="signature_refused",
        act=Act.KEY,
        cause="The private key is not the other half of the key that is registered on the client.",
        fix="Compare what `token-broker jwks --client NAME` prints with the keys of the client, and register it there,"
        " or mount the key that is.",
    ),
    Row(
        codes=GRANT,
        says=("requires pre-registered jwk and no key identifier (kid) provided",),
        reason="kid_refused",
        act=Act.KEY,
        cause="The client is registered with keys, and the assertion has no kid to find one by.",
        fix="Write the kid that is registered on the client as kid in clients.<name>.private_keys.",
    ),
    Row(
        codes=GRANT,
        says=("Grant is used before",),
        reason="assertion_replayed",
        act=Act.REBUILD,
        cause="Maskinporten received the same assertion twice, although the broker makes a new one for every attempt.",
        fix="Nothing, if it does not come back: a new assertion is sent at once; otherwise turn off the retries of the"
        " proxy or service mesh on the way.",
    ),
    Row(  # MP-011
        codes=GRANT,
        says=("Invalid parameter value",),
        reason="assertion_refused",
        act=Act.OPERATOR,
        cause="Maskinporten cannot read the assertion, or a claim in it.",
        fix="Take out of clients.<name>.assertion.claims what Maskinporten's documentation does not name, and look for"
        " a line break in clients.<name>.client_id or tokens.<name>.scopes.",
    ),
    Row(
        codes=("invalid_scope", *GRANT),
        says=(
            "Token request contains invalid scopes for client",
            "Token request contains scopes with integration types only allowed for user login",
        ),
        reason="scope_refused",
        act=Act.OPERATOR,
        cause="A requested scope is not registered on the client, or is one for signing in users.",
        fix="Add the scope to the client in the self-service of the environment, once its owner has given your"
        " organisation access to it, or correct tokens.<name>.scopes.",
    ),
    Row(
        says=("invalid_altinn_customer_configuration",),
        reason="policy_refused",
        act=Act.OPERATOR,
        cause="Altinn has no system user that fits the client and the customer in the request.",
        fix="Compare client id, system id and customer in Altinn's system register with clients.<name>.client_id and"
        " with what the token's authorization details say.",
    ),
    Row(  # MP-100; the others begin with these words too
        codes=GRANT,
        says=("Invalid assertion. Client authentication failed.",),
        reason="client_refused",
        act=Act.OPERATOR,
        cause="Maskinporten does not know the client, or finds a claim in the assertion that it does not document.",
        fix="Compare clients.<name>.client_id with the self-service of the environment that clients.<name>.issuer"
        " names, and take further claims out of clients.<name>.assertion.claims.",
    ),
)
