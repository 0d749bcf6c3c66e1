"""Preset and refusals of Google for service accounts (oauth2.googleapis.com/token)."""

from broker.core.diagnosis import Act
from broker.providers.grant_rules import SCOPES_IN_ASSERTION, only_jwt_bearer, scopes_in, some_scope
from broker.providers.preset import Preset, Rule
from broker.providers.rows import Row

# developers.google.com: identity/protocols/oauth2/service-account; google-auth 2.62.
PRESET = Preset(
    title="Google",
    client={
        "token_endpoint": "https://oauth2.googleapis.com/token",
        "algorithms": ["RS256"],
        "assertion": {"audience": "https://oauth2.googleapis.com/token"},
    },
    token=SCOPES_IN_ASSERTION,
    max_lifetime=3600.0,
    rules=(
        Rule(
            key="client_id",
            pattern=r"[^@]+@[^@]+",
            reason="Google knows a service account by its e-mail address, client_email in its key file",
        ),
        Rule(
            key="assertion.audience",
            pattern=r"https://oauth2\.googleapis\.com/token",
            reason="Google expects https://oauth2.googleapis.com/token, wherever it is reached; leave it out",
        ),
        only_jwt_bearer("Google"),
        scopes_in("assertion", "Google"),
        some_scope("Google", "https://www.googleapis.com/auth/devstorage.read_only"),
    ),
)

ROWS = (
    Row(
        codes=("invalid_grant",),
        says=("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe",),
        reason="clock",
        act=Act.CLOCK,
        cause="Google finds the assertion's iat or exp out of range: this machine's clock is off, or the assertion is"
        " to live for more than an hour.",
        fix="Synchronise the node's clock (NTP, chrony), and set clients.<name>.assertion.lifetime to 60s.",
    ),
    Row(
        codes=("invalid_grant",),
        says=("Invalid JWT Signature", "Invalid JWT: No valid verifier found for issuer"),
        reason="signature_refused",
        act=Act.KEY,
        cause="Google has no key of this service account that fits the signature: the key was deleted or has run out,"
        " or the kid is another key's.",
        fix="Make a new key under IAM & Admin > Service Accounts > the account > Keys, and mount its JSON file as it is"
        " as file in clients.<name>.private_keys.",
    ),
    Row(
        codes=("invalid_grant",),
        says=("Invalid grant: account not found", "Not a valid email or user ID"),
        reason="client_unknown",
        act=Act.OPERATOR,
        cause="Google knows no service account, or no user, of the name in the assertion.",
        fix="Write the service account's e-mail address as clients.<name>.client_id, and a user of the domain, if"
        " anybody, as tokens.<name>.jwt_bearer.subject.",
    ),
    Row(
        codes=("invalid_grant",),
        says=("Invalid JWT: Failed audience check",),
        reason="audience_refused",
        act=Act.OPERATOR,
        cause="The assertion's aud is not https://oauth2.googleapis.com/token.",
        fix="Leave out clients.<name>.assertion.audience.",
    ),
    Row(
        codes=("unauthorized_client",),
        says=("Client is unauthorized to retrieve access tokens using this method",),
        reason="grant_refused",
        act=Act.OPERATOR,
        cause="The service account may not act for the user in tokens.<name>.jwt_bearer.subject, or not with these"
        " scopes.",
        fix="In the Google Admin console under Security > API controls > Domain-wide delegation add the service"
        " account's client id with tokens.<name>.scopes, or leave out tokens.<name>.jwt_bearer.subject.",
    ),
    Row(
        codes=("invalid_scope",),
        says=("Invalid OAuth scope or ID token audience provided", "Empty or missing scope not allowed"),
        reason="scope_refused",
        act=Act.OPERATOR,
        cause="Google does not know a requested scope, or none was requested.",
        fix="Write scopes as whole URLs into tokens.<name>.scopes, for example"
        " https://www.googleapis.com/auth/cloud-platform.",
    ),
)
