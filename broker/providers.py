"""What each identity provider wants of a client assertion and of a token request: a table.

A preset is a partial client in the configuration file's own words, laid under what the user wrote, and the rules that
the provider enforces, so that a request it is known to refuse is a configuration error with the provider's reason.
Only what a vendor's document or source says is a rule; where these are silent the user is free.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Key = Literal["issuer", "token_endpoint", "send_client_id", "assertion.audience", "assertion.typ", "scopes", "audience"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The value of `key`, of a client or a token, fully matches `pattern`, else `reason` says why it cannot work.

    Lists are joined by spaces, booleans are `true` or `false`, an absent token key is the empty string, an absent
    client key is not looked at. `path` limits the rule to servers whose token endpoint (else issuer) has such a path.
    """

    key: Key
    pattern: str
    reason: str
    path: str = r".*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One provider. `client["algorithms"]`, where there is one, is all that it accepts, in order of preference.

    `max_lifetime` is what it accepts of an assertion, in seconds. `hosts` are those a token endpoint found by discovery
    may have besides the issuer's. `caution` is said once at start.
    """

    title: str
    client: Mapping[str, Any]
    max_lifetime: float | None = None
    hosts: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    caution: str = ""


RS = ("RS256", "RS384", "RS512")
PS = ("PS256", "PS384", "PS512")
ES = ("ES256", "ES384", "ES512")

#: Okta's two kinds of authorization server differ in the path: none, or /oauth2/{id}.
OKTA_ORG = r"/?|/oauth2/v1/token"
OKTA_CUSTOM = r"/oauth2/(?!v1/)[^/]+(/v1/token)?"

PRESETS: Mapping[str, Preset] = {
    "generic": Preset(title="Any server", client={"assertion": {}}),
    # developer.okta.com: implement-oauth-for-okta-serviceapp, build-self-signed-jwt, auth-servers, and its error texts.
    "okta": Preset(
        title="Okta",
        client={"algorithms": [*RS, *ES], "assertion": {"audience": "token_endpoint"}},
        max_lifetime=3600.0,
        rules=(
            Rule(
                key="issuer",
                pattern=r"(?!https?://[^/]*-admin\.okta).*",
                reason="this is the address of Okta's Admin Console; leave out -admin",
            ),
            Rule(
                key="issuer",
                pattern=r"https?://[^/]+(/oauth2/(?!v1$)[^/]+)?",
                reason="Okta's issuers are https://DOMAIN (the org authorization server) and https://DOMAIN/oauth2/ID"
                " (a custom one), without a slash at the end",
            ),
            Rule(
                key="assertion.audience",
                pattern=r"(?!issuer$).*",
                reason="Okta refuses any audience but the URL of the endpoint that is called; leave it out",
            ),
            Rule(
                key="scopes",
                pattern=r".+",
                reason="Okta's org authorization server refuses a request without scopes (No scopes were requested.);"
                " write for example [okta.users.read]",
                path=OKTA_ORG,
            ),
            # ssf.read and ssf.manage: help.okta.com, configure-shared-signal-transmitter.
            Rule(
                key="scopes",
                pattern=r"((okta|ssf)\.\S+( (okta|ssf)\.\S+)*)?",
                reason="Okta's org authorization server grants its own scopes only (okta.…); scopes of your own"
                " belong to a custom authorization server, whose issuer is https://DOMAIN/oauth2/ID",
                path=OKTA_ORG,
            ),
            Rule(
                key="scopes",
                pattern=r"(?!.*\.self( |$)).*",
                reason="Okta refuses .self scopes with client_credentials",
            ),
            Rule(
                key="scopes",
                pattern=r"(?!(.* )?okta\.).*",
                reason="a custom authorization server does not grant okta.… scopes; Okta's org authorization server"
                " does, whose issuer is https://DOMAIN alone",
                path=OKTA_CUSTOM,
            ),
        ),
    ),
    # learn.microsoft.com: identity-platform/certificate-credentials, v2-oauth2-client-creds-grant-flow; msal 1.39.
    "entra": Preset(
        title="Microsoft Entra ID",
        client={
            "send_client_id": True,
            "algorithms": ["PS256", "RS256"],
            "assertion": {"audience": "token_endpoint"},
        },
        rules=(
            Rule(
                key="send_client_id",
                pattern=r"true",
                reason="Microsoft Entra ID requires client_id in the form; leave it out",
            ),
            Rule(
                key="assertion.audience",
                pattern=r"(?!issuer$).*",
                reason="Microsoft Entra ID expects the URL of the token endpoint; leave it out",
            ),
            Rule(
                key="scopes",
                pattern=r"\S+/\.default",
                reason="Microsoft Entra ID takes exactly one scope, RESOURCE/.default; write for example"
                " [https://graph.microsoft.com/.default]",
            ),
        ),
        caution="Microsoft Entra ID finds the key by its certificate's thumbprint (x5t#S256), which this version does"
        " not send; expect AADSTS700027",
    ),
    # Keycloak's source, 2025: what it limits is the age of an assertion with iat, and ours is new for every request.
    "keycloak": Preset(title="Keycloak", client={"assertion": {"audience": "issuer"}}),
    # auth0.com: authenticate-with-private-key-jwt; algorithms: the Management API's ClientCredentialAlgorithmEnum.
    "auth0": Preset(
        title="Auth0",
        client={"algorithms": ["RS256", "RS384", "PS256"], "assertion": {"audience": "issuer"}},
        max_lifetime=300.0,
        rules=(
            Rule(
                key="issuer",
                pattern=r".*/",
                reason="Auth0's issuer ends with a slash, https://TENANT.auth0.com/, and is compared with it",
            ),
            Rule(
                key="assertion.audience",
                pattern=r"(?!token_endpoint$).*",
                reason="Auth0 expects its issuer, https://TENANT.auth0.com/; leave it out",
            ),
            Rule(
                key="audience",
                pattern=r".+",
                reason="Auth0 has to be told which API the token is for; write the API's identifier",
            ),
        ),
    ),
    # SMART App Launch 2.2 (backend services); fhir.epic.com documents the same.
    "smart": Preset(
        title="SMART",
        client={"algorithms": ["RS384", "ES384"], "assertion": {"audience": "token_endpoint"}},
        max_lifetime=300.0,
        rules=(
            Rule(
                key="assertion.audience",
                pattern=r"(?!issuer$).*",
                reason="SMART backend services expect the URL of the token endpoint; leave it out",
            ),
            Rule(
                key="assertion.typ",
                pattern=r"JWT",
                reason="SMART backend services require JWT; leave it out",
            ),
            Rule(
                key="scopes",
                pattern=r".+",
                reason="SMART backend services grant named scopes only; write for example [system/Patient.rs]",
            ),
        ),
    ),
    # docs.pingidentity.com: token URL, issuer and the endpoint that is called are all taken.
    "pingone": Preset(
        title="PingOne",
        client={"algorithms": [*RS, *ES], "assertion": {"audience": "token_endpoint"}},
    ),
    # ory/fosite's source; the algorithm is the one that the client is registered with.
    "ory-hydra": Preset(title="Ory Hydra", client={"assertion": {"audience": "token_endpoint"}}),
    # DuendeSoftware/products: strict and lenient servers both take the issuer.
    "duende": Preset(
        title="Duende IdentityServer",
        client={"algorithms": [*RS, *PS, *ES], "assertion": {"audience": "issuer"}},
    ),
    # openiddict/openiddict-core 2539, 2540, 2546: 7.0 to 7.6 take nothing else, later ones take this too.
    "openiddict": Preset(
        title="OpenIddict",
        client={"assertion": {"audience": "issuer", "typ": "client-authentication+jwt"}},
    ),
}
