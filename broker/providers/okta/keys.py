"""What Okta's token endpoint says about the way a client proves itself: its method, its registered keys, its key id."""

from broker.core.diagnosis import Act
from broker.providers.rows import Row

INVALID_CLIENT = ("invalid_client",)

KEYS = "Applications > Applications > the app > General > Client Credentials > Edit"
REGISTER = (
    f"In the Okta Admin Console open {KEYS}, select Client authentication: Public key / Private key, add the public JWK"
    " that `token-broker jwks --client NAME` prints (or the URL where that JWKS is published), and save."
)
#: The same for one who has the console before them.
STEPS = (
    "In the Okta Admin Console open Applications > Applications > the app > General.",
    "Under Client Credentials choose Edit, and as Client authentication Public key / Private key.",
    "Save keys in Okta: choose Add key, paste the public JWK, then Done.",
    (
        "Or choose Use a URL to fetch keys dynamically, and give the public https URL where you publish what"
        " `token-broker jwks --client NAME` prints."
    ),
    "Save; Okta then drops the app's client secrets, and the broker tries again by itself.",
)

ROWS = (
    Row(
        codes=INVALID_CLIENT,
        says=(
            (
                "OAuth Integration Client Credentials requests to the Org Authorization Server must use either"
                " private_key_jwt or client_secret_basic as the token_endpoint_auth_method."
            ),
        ),
        reason="auth_method",
        act=Act.OPERATOR,
        cause="The Okta integration is registered with an authentication method that the org authorization server does"
        " not take.",
        fix=REGISTER,
        steps=STEPS,
    ),
    Row(
        codes=INVALID_CLIENT,
        says=(
            (
                "Client Credentials requests to the Org Authorization Server must use the private_key_jwt"
                " token_endpoint_auth_method."
            ),
        ),
        reason="auth_method",
        act=Act.OPERATOR,
        cause="The Okta application authenticates with a client secret, but Okta's org authorization server grants"
        " client_credentials to private_key_jwt only.",
        fix=REGISTER,
        steps=STEPS,
    ),
    Row(
        codes=INVALID_CLIENT,
        says=("The client_assertion signature is invalid.",),
        reason="signature_refused",
        act=Act.KEY,
        cause="The private key is not the other half of the public key that Okta looked up for this app.",
        fix=f"Compare what `token-broker jwks --client NAME` prints with the public keys under {KEYS}; register that"
        " JWK, or mount the key that is registered.",
    ),
    Row(
        codes=INVALID_CLIENT,
        says=("The client_assertion JWT kid is invalid.",),
        reason="kid_refused",
        act=Act.KEY,
        cause="Okta has no active key with the assertion's kid: it is missing, misspelt or inactive, or Okta has not"
        " read the new JWKS yet.",
        fix="Write the kid shown in the Okta Admin Console (the app > General > Public Keys, status Active) as kid in"
        " clients.<name>.private_keys; with a JWKS URL, publish a new key well before it is used.",
    ),
    Row(
        codes=INVALID_CLIENT,
        says=("The client JWKSet is invalid.",),
        reason="jwks_refused",
        act=Act.OPERATOR,
        cause="The public keys registered for the Okta application are not a valid JWKS.",
        fix=f"Remove them under {KEYS} and add the public JWK that `token-broker jwks --client NAME` prints.",
    ),
    Row(
        codes=INVALID_CLIENT,
        says=("The client does not have a JWKSet configured, but the client_assertion requires one.",),
        reason="jwks_refused",
        act=Act.OPERATOR,
        cause="No public key is registered for the Okta application.",
        fix=REGISTER,
        steps=STEPS,
    ),
    Row(
        codes=INVALID_CLIENT,
        says=("The client_assertion JWT signature algorithm is invalid.",),
        reason="algorithm_refused",
        act=Act.OPERATOR,
        cause="Okta takes RS256, RS384, RS512, ES256, ES384 and ES512 only, and only the alg of the registered key"
        " if it names one.",
        fix="Write one of these as algorithm in clients.<name>.private_keys, equal to the alg of the JWK that is"
        " registered; an Ed25519 key has to be replaced.",
    ),
    Row(
        codes=INVALID_CLIENT,
        says=(
            "The client_assertion JWT needs to be signed using a signing key.",
            "The public key being used for client assertion has an invalid 'use' parameter.",
            "The public key being used has an invalid 'use' parameter.",
        ),
        reason="jwks_refused",
        act=Act.OPERATOR,
        cause="The public key registered for the Okta application is marked for encryption, not for signatures.",
        fix=f'Register it again with "use": "sig" under {KEYS}, as `token-broker jwks --client NAME` prints it.',
    ),
    Row(
        codes=INVALID_CLIENT,
        says=(
            "The issuer and subject claim for client_assertion is invalid because the client does not have a client",
        ),
        reason="auth_method",
        act=Act.OPERATOR,
        cause="Okta expects an assertion signed with a client secret, because the app is not set to public key"
        " authentication.",
        fix=REGISTER,
        steps=STEPS,
    ),
    Row(
        codes=INVALID_CLIENT,
        says=("Error retrieving the client JWKSet from jwks_uri.",),
        reason="jwks_refused",
        act=Act.SERVER,
        cause="Okta cannot read the JWKS URL that is registered for the app.",
        fix="Make that URL answer over public https with a valid certificate, or save the key in Okta instead: print it"
        " with `token-broker jwks --client NAME`.",
    ),
    Row(
        codes=INVALID_CLIENT,
        says=(
            "All keys in the client JWKSet from jwks_uri must have a unique kid.",
            "The client JWKSet from jwks_uri must contain at least one key.",
        ),
        reason="jwks_refused",
        act=Act.OPERATOR,
        cause="The JWKS at the URL registered for the app is empty or holds two keys with one kid.",
        fix="Publish there exactly what `token-broker jwks --client NAME` prints.",
    ),
    Row(
        codes=INVALID_CLIENT,
        says=("The 'jku' in JWT and 'jwks_uri' doesn't match.",),
        reason="jwks_refused",
        act=Act.OPERATOR,
        cause="The assertion arrived with a jku header that is not the JWKS URL registered for the app; the broker"
        " sends none.",
        fix="Look for another program that uses the same client id, and check the JWKS URL registered for the app.",
    ),
)
