"""What Okta's token endpoint says about the request itself: grant, scopes, policies, DPoP, limits."""

from broker.diagnosis.vocabulary import Act, Row

DPOP_OFF = (
    "In the Okta Admin Console clear Applications > Applications > the app > General > General Settings > Require"
    " Demonstrating Proof of Possession (DPoP) header in token requests, and save."
)

LIMITS = (
    Row(
        codes=("E0000047",),
        reason="rate_limited",
        act=Act.LIMIT,
        cause="Okta's rate limit is used up; all replicas with one client id share half of the org's limit by default.",
        fix="Wait, the broker comes back when Okta said; if it recurs, see Reports > Rate Limits in the Okta Admin"
        " Console, and look for programs that fetch a token for every request.",
    ),
    Row(
        codes=("invalid_grant",),
        says=("API call exceeded rate limit due to too many requests.",),
        reason="rate_limited",
        act=Act.LIMIT,
        cause="Okta's rate limit for this client is used up.",
        fix="Wait, the broker comes back when Okta said; if it recurs, see Reports > Rate Limits in the Okta Admin"
        " Console.",
    ),
)

ROWS = (
    Row(
        codes=("unauthorized_client",),
        says=("This client cannot use a custom authorization server.",),
        reason="wrong_server",
        act=Act.OPERATOR,
        cause="The app is for Okta's own APIs, which a custom authorization server does not serve.",
        fix="Write clients.<name>.issuer as https://ORG.okta.com, without /oauth2/default or another server's id.",
    ),
    Row(
        codes=("unauthorized_client",),
        says=("The client is not authorized to use the provided grant type.",),
        reason="grant_refused",
        act=Act.OPERATOR,
        cause="The grant type client_credentials is not enabled for the Okta application.",
        fix="In the Okta Admin Console open Applications > Applications > the app > General > General Settings > Edit,"
        " tick Client Credentials under Grant type, and save.",
    ),
    Row(
        codes=("unsupported_grant_type",),
        says=("'client_credentials' grant type can only be used with a custom authorization server.",),
        reason="grant_refused",
        act=Act.OPERATOR,
        cause="Okta's org authorization server does not grant client_credentials to this application.",
        fix="Create an API Services app for Okta's own APIs; for your own APIs write the custom authorization server's"
        " URL, https://ORG.okta.com/oauth2/ID, as clients.<name>.issuer.",
    ),
    Row(
        codes=("invalid_request",),
        says=("The authorization server id is invalid.",),
        reason="wrong_server",
        act=Act.OPERATOR,
        cause="This Okta org has no custom authorization server with the id in the URL.",
        fix="Copy the Issuer URI from Security > API in the Okta Admin Console to clients.<name>.issuer.",
    ),
    Row(
        codes=("consent_required",),
        says=("You are not allowed any of the requested scopes.",),
        reason="scope_refused",
        act=Act.OPERATOR,
        cause="None of the requested okta.* scopes is granted to the application.",
        fix="Have a Super Admin grant them in the Okta Admin Console under Applications > Applications > the app > Okta"
        " API Scopes, or correct tokens.<name>.scopes.",
    ),
    Row(
        codes=("consent_required",),
        says=("The following scopes require user consent",),
        reason="scope_refused",
        act=Act.OPERATOR,
        cause="A requested scope asks for a user's consent, which a service cannot give.",
        fix="In the Okta Admin Console open Security > API > the authorization server > Scopes and set the scope's user"
        " consent to implicit, or take it out of tokens.<name>.scopes.",
    ),
    Row(
        codes=("invalid_scope",),
        says=(
            "No scopes were requested.",
            "The authorization server resource does not have any configured default scopes, 'scope' must be provided.",
        ),
        reason="scope_refused",
        act=Act.OPERATOR,
        cause="The request names no scope, and this authorization server has no default.",
        fix="List what the workload needs in tokens.<name>.scopes, for example okta.users.read.",
    ),
    Row(
        codes=("invalid_scope",),
        says=(
            "One or more scopes are not configured for the authorization server resource.",
            "Custom scopes are not allowed for this request.",
        ),
        reason="scope_refused",
        act=Act.OPERATOR,
        cause="A scope was asked of the wrong server: okta.* scopes exist on the org authorization server only, your"
        " own on the custom one only.",
        fix="For okta.* write clients.<name>.issuer as https://ORG.okta.com, for your own scopes as"
        " https://ORG.okta.com/oauth2/ID; if that is right, correct the spelling in tokens.<name>.scopes.",
    ),
    Row(
        codes=("invalid_scope",),
        says=(
            "The requested scope is invalid, unknown, malformed, or exceeds the scope granted by the resource owner.",
            "Cannot request 'openid' scopes using client credentials.",
        ),
        reason="scope_refused",
        act=Act.OPERATOR,
        cause="A requested scope does not exist, or is one for signing in users (openid, profile, email,"
        " offline_access).",
        fix="Correct tokens.<name>.scopes: each entry is one scope that exists on this server and is not for users.",
    ),
    Row(
        codes=("client_credentials_self_scope_requested",),
        says=("The 'client_credentials' grant type may not request .self scopes.",),
        reason="scope_refused",
        act=Act.OPERATOR,
        cause="Scopes that end in .self are for signed-in users, and a service is none.",
        fix="Replace them in tokens.<name>.scopes by their counterpart without .self.",
    ),
    Row(
        codes=("access_denied",),
        says=("Policy evaluation failed for this request, please check the policy configurations.",),
        reason="policy_refused",
        act=Act.OPERATOR,
        cause="No access policy of this custom authorization server applies to the application.",
        fix="In the Okta Admin Console open Security > API > the authorization server > Access Policies, and add a"
        " policy for this app with a rule that allows Client Credentials and these scopes.",
    ),
    Row(
        codes=("access_denied",),
        says=(
            "Policy evaluation succeeded, but all the requested scopes were rejected.",
            "Some of the requested scopes were denied by the policy.",
        ),
        reason="policy_refused",
        act=Act.OPERATOR,
        cause="The access policy rule for the application does not include the requested scopes.",
        fix="In the Okta Admin Console open Security > API > the authorization server > Access Policies, and add the"
        " scopes to the rule for this app, or take them out of tokens.<name>.scopes.",
    ),
    Row(
        codes=("access_denied",),
        says=("The request is made from outside the client's permitted network zones.",),
        reason="network_zone",
        act=Act.OPERATOR,
        cause="The request reached Okta from an IP address outside the network zones that the application permits.",
        fix="Add the cluster's egress address to the zone under Security > Networks in the Okta Admin Console, or send"
        " the requests through a permitted address with clients.<name>.http.proxy.",
    ),
    Row(
        codes=("invalid_dpop_proof",),
        says=("The DPoP proof JWT header is missing.",),
        reason="dpop_required",
        act=Act.OPERATOR,
        cause="The application requires DPoP, as new Okta API Services apps do, and the broker asked for a Bearer"
        " token.",
        fix=DPOP_OFF,
    ),
    Row(
        codes=("use_dpop_nonce",),
        says=("Authorization server requires nonce in DPoP proof.",),
        reason="dpop_required",
        act=Act.REBUILD,
        cause="Okta wants its newest nonce in the DPoP proof.",
        fix="Nothing, if it does not come back: the next attempt follows at once; otherwise turn DPoP off for the app"
        " (General > General Settings).",
    ),
    Row(
        codes=("invalid_dpop_proof",),
        says=("The DPoP proof JWT has already been used.",),
        reason="dpop_refused",
        act=Act.REBUILD,
        cause="Okta received the same DPoP proof twice.",
        fix="Nothing, if it does not come back: the next attempt follows at once; otherwise turn off the retries of the"
        " proxy or service mesh between the broker and Okta.",
    ),
    Row(
        codes=("invalid_dpop_proof",),
        says=(
            "The DPoP proof JWT is issued in the future.",
            "The DPoP proof JWT is issued more than five minutes in the past.",
            "The DPoP proof JWT is expired.",
            "'iat' claim in the DPoP proof JWT is invalid.",
        ),
        reason="clock",
        act=Act.CLOCK,
        cause="The DPoP proof's iat is too far from Okta's clock: this machine's clock is off.",
        fix="Synchronise the node's clock (NTP, chrony).",
    ),
    Row(
        codes=("invalid_dpop_proof",),
        says=(
            "'htu' claim in the DPoP proof JWT is invalid.",
            "'htm' claim in the DPoP proof JWT is invalid.",
            "'jti' claim in the DPoP proof JWT is invalid.",
            "'typ' must be 'dpop+jwt' in the DPoP proof JWT.",
            "The DPoP proof JWT signature is invalid.",
            "The DPoP proof JWT signature algorithm is invalid.",
            "The DPoP proof JWT cannot be parsed.",
            "Multiple DPoP proof JWT headers are not allowed.",
        ),
        reason="dpop_refused",
        act=Act.OPERATOR,
        cause="The DPoP proof did not arrive as Okta expects it.",
        fix="Check that clients.<name>.issuer has the host that Okta answers on, and look for a proxy that adds or"
        " rewrites headers.",
    ),
    Row(
        codes=("E0000015",),
        reason="wrong_server",
        act=Act.OPERATOR,
        cause="This Okta org has no licence for custom authorization servers (API Access Management).",
        fix="For Okta's own APIs write clients.<name>.issuer as https://ORG.okta.com; for your own APIs have API Access"
        " Management enabled.",
    ),
)
