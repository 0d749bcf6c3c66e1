"""Providers whose assertion is the grant itself (RFC 7523 section 2.1): it names who asks, and often what for."""

from collections.abc import Mapping
from typing import Any

from broker.providers.preset import RS, Preset, Rule

#: The scopes stand in the assertion.
CLAIMED: Mapping[str, Any] = {"grant": "jwt_bearer", "jwt_bearer": {"scope_in": "assertion"}}


def only_jwt_bearer(title: str) -> Rule:
    """No other grant for a client with a key."""
    return Rule(key="grant", pattern=r"jwt_bearer", reason=f"{title} takes assertions as jwt_bearer only; leave it out")


def scopes_in(where: str, title: str) -> Rule:
    """Nowhere else."""
    seen = "in the assertion" if where == "assertion" else "as a form field"
    return Rule(key="jwt_bearer.scope_in", pattern=where, reason=f"{title} reads scopes {seen} only; leave it out")


def some_scope(title: str, example: str) -> Rule:
    """At least one."""
    return Rule(key="scopes", pattern=r".+", reason=f"{title} grants named scopes only; write for example [{example}]")


def digdir(title: str, claims: str, *further: Rule) -> Preset:
    """One of the two servers of Norway's Digitaliseringsdirektoratet.

    docs.digdir.no: maskinporten_protocol_jwtgrant, maskinporten_protocol_token, oidc_protocol_jwtgrant.
    """
    known = claims.replace("|", ", ")
    return Preset(
        title=title,
        client={"algorithms": [*RS], "assertion": {"audience": "issuer"}},
        token=CLAIMED,
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


JWT_BEARER: Mapping[str, Preset] = {
    # developers.google.com: identity/protocols/oauth2/service-account; google-auth 2.62.
    "google": Preset(
        title="Google",
        client={
            "token_endpoint": "https://oauth2.googleapis.com/token",
            "algorithms": ["RS256"],
            "assertion": {"audience": "https://oauth2.googleapis.com/token"},
        },
        token=CLAIMED,
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
    ),
    # help.salesforce.com: OAuth 2.0 JWT Bearer Flow for Server-to-Server Integration. Its sources name 3 and 5 minutes.
    "salesforce": Preset(
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
    ),
    "maskinporten": digdir(
        "Maskinporten",
        r"authorization_details|consumer_org|iss_onbehalfof|pid|resource",
        Rule(
            key="issuer",
            pattern=r"(?!https://(test\.)?maskinporten\.no$|https://test\.sky\.maskinporten\.no/$).*",
            reason="Maskinporten's issuers are https://maskinporten.no/ and https://test.maskinporten.no/, with the"
            " slash at the end, and https://test.sky.maskinporten.no without",
        ),
        only_jwt_bearer("Maskinporten"),
    ),
    "id-porten": digdir("ID-porten", r"authorization_details|iss_onbehalfof|pid|resource"),
    # developers.docusign.com: auth/jwt; the host alone, without a scheme.
    "docusign": Preset(
        title="DocuSign",
        client={"algorithms": ["RS256"], "assertion": {"audience": "account.docusign.com"}},
        token=CLAIMED,
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
    ),
    # zitadel.com: private key JWT for service accounts; zitadel/oidc's source (jwt profile verifier), 813.
    "zitadel": Preset(
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
    ),
}
