"""What Okta's token endpoint says about the client and its assertion, sentence by sentence."""

from broker.core.diagnosis import Act
from broker.providers.okta.keys import INVALID_CLIENT
from broker.providers.rows import Row

ROWS = (
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
