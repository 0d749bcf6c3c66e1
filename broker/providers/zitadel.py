"""Preset of Zitadel; its refusals are those of any server (`general`)."""

from broker.providers.grant_rules import scopes_in
from broker.providers.preset import Preset, Rule

# zitadel.com: private key JWT for service accounts; zitadel/oidc's source (jwt profile verifier), 813.
PRESET = Preset(
    title="Zitadel",
    client={"algorithms": ["RS256"], "assertion": {"audience": "issuer"}},
    token={"grant": "jwt_bearer", "jwt_bearer": {"subject": "client_id"}},
    rules=(
        Rule(
            key="assertion.audience",
            pattern=r"(?!token_endpoint$).*",
            reason="Zitadel expects its issuer, https://DOMAIN; leave it out",
        ),
        Rule(
            key="grant",
            pattern=r"jwt_bearer",
            reason="Zitadel takes a secret only for client_credentials; leave it out",
        ),
        scopes_in("form", "Zitadel"),
    ),
)
