"""Preset and refusals of DocuSign's JWT grant; each refusal is one word."""

from broker.core.diagnosis import Act
from broker.providers.grant_rules import SCOPES_IN_ASSERTION, scopes_in, some_scope
from broker.providers.preset import Preset, Rule
from broker.providers.rows import Row

# developers.docusign.com: auth/jwt; the host alone, without a scheme.
PRESET = Preset(
    title="DocuSign",
    client={"algorithms": ["RS256"], "assertion": {"audience": "account.docusign.com"}},
    token=SCOPES_IN_ASSERTION,
    elsewhere={r"account-d\.docusign\.com": {"assertion": {"audience": "account-d.docusign.com"}}},
    max_lifetime=3600.0,
    rules=(
        Rule(
            key="assertion.audience",
            pattern=r"account(-d)?\.docusign\.com",
            reason="DocuSign expects the name of its host alone, account.docusign.com or, for a demo account,"
            " account-d.docusign.com; leave it out",
        ),
        scopes_in("assertion", "DocuSign"),
        some_scope("DocuSign", "signature, impersonation"),
    ),
)

GRANT = ("invalid_grant",)

ROWS = (
    Row(
        codes=("consent_required",),
        providers=("docusign",),
        reason="grant_refused",
        act=Act.OPERATOR,
        cause="The user in tokens.<name>.jwt_bearer.subject, or an administrator, has not consented to this app yet.",
        fix="Have that user consent once in a browser (https://account.docusign.com/oauth/auth with this client id and"
        " the scopes signature and impersonation), or an administrator for all.",
        steps=(
            "Add a redirect URI to the app under DocuSign's Settings > Apps and Keys.",
            (
                "In a browser open https://account.docusign.com/oauth/auth?response_type=code"
                "&scope=signature%20impersonation&client_id=CLIENT_ID&redirect_uri=REDIRECT (account-d for the demo"
                " environment)."
            ),
            (
                "Sign in as the user in tokens.<name>.jwt_bearer.subject, and accept; where the browser is sent then"
                " does not matter."
            ),
        ),
    ),
    Row(
        codes=GRANT,
        says=("no_valid_keys_or_signatures",),
        reason="signature_refused",
        act=Act.KEY,
        cause="The private key fits none of the RSA keys that DocuSign has for this integration key.",
        fix="Under DocuSign's Settings > Apps and Keys > the app > Service Integration add this key's public half as"
        " PEM, or mount the key that was made there; demo and production have keys of their own.",
    ),
    Row(
        codes=GRANT,
        says=("issuer_not_found",),
        reason="client_unknown",
        act=Act.OPERATOR,
        cause="DocuSign knows no integration key of this name in this environment.",
        fix="Correct clients.<name>.client_id, and clients.<name>.token_endpoint: account-d.docusign.com for the demo"
        " environment, account.docusign.com for production.",
    ),
    Row(
        codes=GRANT,
        says=("user_not_found",),
        reason="client_unknown",
        act=Act.OPERATOR,
        cause="DocuSign knows no user with this id in this environment.",
        fix="Write the user's API username, a GUID and no e-mail address, as tokens.<name>.jwt_bearer.subject.",
    ),
)
