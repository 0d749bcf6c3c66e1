"""What the two servers of Norway's Digitaliseringsdirektoratet share: Maskinporten and ID-porten."""

from broker.providers.grant_rules import SCOPES_IN_ASSERTION, scopes_in, some_scope
from broker.providers.preset import RS, Preset, Rule


def digdir(title: str, claims: str, *further: Rule) -> Preset:
    """Preset of one of the two servers; `claims` are those it knows beside the broker's, joined by `|`.

    docs.digdir.no: maskinporten_protocol_jwtgrant, maskinporten_protocol_token, oidc_protocol_jwtgrant.
    """
    known = claims.replace("|", ", ")
    return Preset(
        title=title,
        client={"algorithms": [*RS], "assertion": {"audience": "issuer"}},
        token=SCOPES_IN_ASSERTION,
        max_lifetime=120.0,
        rules=(
            *further,
            Rule(
                key="assertion.audience",
                pattern=r"(?!token_endpoint$).*",
                reason=f"{title} expects its issuer, not the URL of the token endpoint; leave it out",
            ),
            Rule(
                key="assertion.claims",
                pattern=rf"(({claims})( |$))*",
                reason=f"{title} refuses an assertion with a claim that it does not know (Invalid assertion); beside"
                f" the broker's own it knows {known}",
            ),
            Rule(
                key="jwt_bearer.subject",
                pattern=r"",
                reason=f"{title} refuses an assertion with a claim that it does not know, and sub is one; take it out",
            ),
            scopes_in("assertion", title),
            some_scope(title, "prefix:some.scope"),
        ),
    )
