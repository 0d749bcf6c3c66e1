"""What Okta's token endpoint says about the request itself: grant, scopes, policies, limits."""

from broker.core.diagnosis import Act
from broker.providers.rows import Row

GRANT_SCOPES = (
    "As a Super Admin, open Applications > Applications > the app > Okta API Scopes in the Okta Admin Console.",
    "Choose Grant beside each scope that tokens.<name>.scopes lists.",
    (
        "Under Admin roles give the app a role that may do what it is to do; without one Okta's API answers"
        " 403, or an empty list."
    ),
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
        steps=GRANT_SCOPES,
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
        codes=("E0000015",),
        reason="wrong_server",
        act=Act.OPERATOR,
        cause="This Okta org has no licence for custom authorization servers (API Access Management).",
        fix="For Okta's own APIs write clients.<name>.issuer as https://ORG.okta.com; for your own APIs have API Access"
        " Management enabled.",
    ),
)

#: Okta's codes for these are everybody's; where to look is not.
FAULT = Row(
    statuses=range(500, 600),
    providers=("okta",),
    reason="server_error",
    act=Act.SERVER,
    cause="Okta, or a gateway before it, failed with status {status}.",
    fix="Wait, the broker keeps trying; if it lasts, see https://status.okta.com.",
)
UNAVAILABLE = Row(
    codes=("temporarily_unavailable", "server_error"),
    providers=("okta",),
    reason="server_error",
    act=Act.SERVER,
    cause="Okta says that it cannot answer at the moment.",
    fix="Wait, the broker keeps trying; if it lasts, see https://status.okta.com.",
)
REDUCED = Row(
    providers=("okta",),
    reason="scope_refused",
    act=Act.OPERATOR,
    cause="Okta granted the token without the scopes that are not granted to the application, and says no word about"
    " them.",
    fix="Have a Super Admin grant them in the Okta Admin Console under Applications > Applications > the app > Okta"
    " API Scopes, or take them out of tokens.<name>.scopes.",
    steps=GRANT_SCOPES,
)
