"""What Okta's token endpoint says about the client and its assertion, sentence by sentence."""

from broker.diagnosis.vocabulary import Act, Row

INVALID_CLIENT = ("invalid_client",)

KEYS = "Applications > Applications > the app > General > Client Credentials > Edit"
REGISTER = (
    f"In the Okta Admin Console open {KEYS}, select Public key / Private key, add the public JWK that"
    " `token-broker jwks --client NAME` prints (or the URL where that JWKS is published), and save."
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
    ),
    Row(
        codes=INVALID_CLIENT,
        says=(
            (
                "Only clients with 'application_type' of 'service' may use the client_credentials 'grant_type' with the"
                " Org Authorization Server."
            ),
        ),
        reason="grant_refused",
        act=Act.OPERATOR,
        cause="The Okta application is a web, native or single-page app, and only service apps get tokens for"
        " themselves.",
        fix="In the Okta Admin Console choose Applications > Applications > Create App Integration > API Services,"
        " register the public key there and write the new app's id as clients.<name>.client_id.",
    ),
    Row(
        codes=INVALID_CLIENT,
        says=("The audience claim for client_assertion must be the endpoint invoked for the request.",),
        reason="audience_refused",
        act=Act.OPERATOR,
        cause="The assertion's aud is not the URL that was posted to, character for character.",
        fix="Set clients.<name>.assertion.audience to token_endpoint, and write clients.<name>.issuer with the very"
        " host and authorization server that the app belongs to (a custom domain and ORG.okta.com are not the same).",
    ),
    Row(
        codes=INVALID_CLIENT,
        says=("The client_assertion must contain the 'exp' claim as seconds since epoch.",),
        reason="assertion_refused",
        act=Act.OPERATOR,
        cause="Okta found no exp claim in whole seconds, although the broker always sends one.",
        fix="Look for a proxy that rewrites requests to Okta; if there is none, report this as a defect of"
        " token-broker.",
    ),
    Row(
        codes=INVALID_CLIENT,
        says=("The client_assertion token is expired.",),
        reason="clock",
        act=Act.CLOCK,
        cause="The assertion had expired when Okta read it: this machine's clock is behind, or the request was held up"
        " on its way.",
        fix="Synchronise the node's clock (NTP, chrony); if it is right, look for a proxy that delays requests or raise"
        " clients.<name>.assertion.lifetime, to at most 5m.",
    ),
    Row(
        codes=INVALID_CLIENT,
        says=("The client_assertion token has an expiration too far into the future.",),
        reason="clock",
        act=Act.CLOCK,
        cause="The assertion expires more than one hour ahead by Okta's clock: this machine's clock is ahead, or the"
        " configured lifetime is too long.",
        fix="Synchronise the node's clock (NTP, chrony) and set clients.<name>.assertion.lifetime to 60s.",
    ),
    Row(
        codes=INVALID_CLIENT,
        says=("The client_assertion token must be issued before the current time.",),
        reason="clock",
        act=Act.CLOCK,
        cause="The assertion's iat lies in the future by Okta's clock: this machine's clock is ahead.",
        fix="Synchronise the node's clock (NTP, chrony); offsets within clients.<name>.max_clock_offset are corrected"
        " by the broker itself.",
    ),
    Row(
        codes=INVALID_CLIENT,
        says=("The client_assertion token has already been used.",),
        reason="assertion_replayed",
        act=Act.REBUILD,
        cause="Okta received the same assertion twice, although the broker makes a new one for every attempt.",
        fix="Nothing, if it does not come back: a new assertion is sent at once; otherwise turn off the retries of the"
        " proxy or service mesh between the broker and Okta.",
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
        says=("The parsing of the client_assertion failed.",),
        reason="assertion_refused",
        act=Act.OPERATOR,
        cause="The assertion did not arrive as the broker sent it.",
        fix="Look for a proxy that cuts or rewrites request bodies on the way to Okta; if there is none, report this as"
        " a defect of token-broker.",
    ),
    Row(
        codes=INVALID_CLIENT,
        says=(
            "The issuer claim for client_assertion is not a valid client_id.",
            "The subject claim for client_assertion is not a valid client_id.",
        ),
        reason="client_unknown",
        act=Act.OPERATOR,
        cause="This Okta org has no application with the configured client id.",
        fix="Copy the client id from the app's General tab to clients.<name>.client_id, and check that"
        " clients.<name>.issuer is the org where the app was created.",
    ),
    Row(
        codes=("invalid_request",),
        says=("The client_assertion_type is invalid.",),
        reason="assertion_refused",
        act=Act.OPERATOR,
        cause="The form field client_assertion_type did not arrive as the broker sent it.",
        fix="Look for a proxy that rewrites request bodies on the way to Okta; if there is none, report this as a"
        " defect of token-broker.",
    ),
    Row(
        codes=("invalid_request", "invalid_client"),
        says=(
            "Cannot supply multiple client credentials.",
            "Found Authentication header but was not valid client credentials.",
        ),
        reason="auth_method",
        act=Act.OPERATOR,
        cause="Okta received other credentials beside the assertion, such as an Authorization header or a"
        " client_secret.",
        fix="Remove client_secret from tokens.<name>.parameters and its parameters_file, and look for a proxy or"
        " service mesh that adds an Authorization header.",
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
    Row(
        codes=INVALID_CLIENT,
        says=(
            "Client authentication failed. Either the client or the client credentials are invalid.",
            "Invalid value for 'client_id' parameter.",
            "No client credentials found.",
        ),
        reason="client_unknown",
        act=Act.OPERATOR,
        cause="This Okta org does not know the client id, or the application is deactivated.",
        fix="Compare clients.<name>.client_id with the app's General tab, see that the app is Active, and check that"
        " clients.<name>.issuer is the org where it was created.",
    ),
)
