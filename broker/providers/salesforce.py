"""Preset and refusals of Salesforce's JWT bearer flow; its codes differ from those of RFC 6749."""

from broker.core.diagnosis import Act
from broker.providers.preset import Preset, Rule
from broker.providers.rows import Row

# help.salesforce.com: OAuth 2.0 JWT Bearer Flow for Server-to-Server Integration. Its sources name 3 and 5 minutes.
PRESET = Preset(
    title="Salesforce",
    client={"algorithms": ["RS256"], "assertion": {"audience": "https://login.salesforce.com"}},
    token={"grant": "jwt_bearer", "extra_fields": ["instance_url"]},
    elsewhere={
        r"test\.salesforce\.com|.+\.sandbox\.my\.salesforce\.com": {
            "assertion": {"audience": "https://test.salesforce.com"}
        }
    },
    max_lifetime=300.0,
    rules=(
        Rule(
            key="assertion.audience",
            pattern=r"(?!token_endpoint$).*",
            reason="Salesforce expects https://login.salesforce.com, https://test.salesforce.com for a sandbox, or"
            " the URL of an Experience Cloud site; leave it out",
        ),
        Rule(
            key="jwt_bearer.subject",
            pattern=r".+",
            reason="Salesforce has to be told as whom; write the user's name, like reports@example.com",
        ),
        Rule(
            key="jwt_bearer.scope_in",
            pattern=r"form",
            reason="Salesforce reads no scopes in an assertion; leave it out",
        ),
    ),
    cautions=(
        Rule(
            key="assume_lifetime",
            pattern=r"(?!5m$).*",
            reason="Salesforce does not say how long a token lives, so 5m are assumed and new ones asked for often;"
            " write the session timeout of its app, or less",
        ),
    ),
)

GRANT = ("invalid_grant",)

ROWS = (
    Row(
        codes=(*GRANT, "invalid_app_access"),
        says=("user hasn't approved this consumer", "user is not admin approved to access this app"),
        reason="grant_refused",
        act=Act.OPERATOR,
        cause="The user in tokens.<name>.jwt_bearer.subject is not approved for this app in Salesforce.",
        fix="In Salesforce's Setup > External Client App Manager > the app > Policies set Permitted Users to Admin"
        " approved users are pre-authorized, and add the user's profile or permission set.",
        steps=(
            "In Salesforce open Setup > External Client App Manager > the app > Policies > Edit.",
            "Set Permitted Users to Admin approved users are pre-authorized, and save.",
            (
                "Under Profiles or Permission Sets of the app add one that the user in tokens.<name>.jwt_bearer.subject"
                " has."
            ),
        ),
    ),
    Row(
        codes=GRANT,
        says=("audience is invalid",),
        reason="audience_refused",
        act=Act.OPERATOR,
        cause="The assertion's aud is none that Salesforce takes.",
        fix="Set clients.<name>.assertion.audience to https://login.salesforce.com, for a sandbox to"
        " https://test.salesforce.com, for an Experience Cloud site to the site's URL.",
    ),
    Row(
        codes=GRANT,
        says=("expired authorization code",),
        reason="clock",
        act=Act.CLOCK,
        cause="Salesforce finds the assertion expired: this machine's clock is behind, or the request was held up.",
        fix="Synchronise the node's clock (NTP, chrony); if it is right, raise clients.<name>.assertion.lifetime, to at"
        " most 3m.",
    ),
    Row(
        codes=("invalid_client_id", "invalid_client", *GRANT),
        says=("client identifier invalid", "invalid client credentials"),
        reason="client_unknown",
        act=Act.OPERATOR,
        cause="Salesforce knows no app with this consumer key; a new one takes some ten minutes to be known.",
        fix="Copy the consumer key (Setup > External Client App Manager > the app > Settings) to"
        " clients.<name>.client_id, and see that clients.<name>.token_endpoint is the org where the app is.",
    ),
)

#: Its bare words, which begin longer sentences of others.
GENERAL = (
    Row(
        codes=GRANT,
        says=("invalid assertion",),
        providers=("salesforce",),
        reason="signature_refused",
        act=Act.KEY,
        cause="Salesforce does not accept the assertion: usually the app has the certificate of another key, or sub"
        " names no user of this org.",
        fix="Upload the key's certificate under Setup > App Manager > the app > Edit > Use digital signatures, and"
        " correct tokens.<name>.jwt_bearer.subject.",
    ),
)
