"""Providers that a client proves itself to with its assertion (RFC 7523 section 2.2)."""

from collections.abc import Mapping

from broker.providers.okta.preset import OKTA
from broker.providers.preset import ES, PS, RS, Preset, Rule

CLIENT_CREDENTIALS: Mapping[str, Preset] = {
    "generic": Preset(title="Any server", client={"assertion": {}}),
    "okta": OKTA,
    # learn.microsoft.com: identity-platform/certificate-credentials, v2-oauth2-client-creds-grant-flow,
    # v2-oauth2-on-behalf-of-flow; msal 1.39.
    "entra": Preset(
        title="Microsoft Entra ID",
        client={
            "send_client_id": True,
            "algorithms": ["PS256", "RS256"],
            "assertion": {"audience": "token_endpoint"},
        },
        rules=(
            Rule(
                key="certificate_file",
                pattern=r".+",
                reason="Microsoft Entra ID finds the key by its certificate's thumbprint (x5t#S256); name the PEM file"
                " with the certificate that was uploaded",
            ),
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
                key="grant",
                pattern=r"client_credentials",
                reason="Microsoft Entra ID takes jwt_bearer for tokens of signed-in users only (on-behalf-of); leave it"
                " out",
            ),
            Rule(
                key="scopes",
                pattern=r"\S+/\.default",
                reason="Microsoft Entra ID takes exactly one scope, RESOURCE/.default; write for example"
                " [https://graph.microsoft.com/.default]",
            ),
        ),
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
                key="grant",
                pattern=r"client_credentials",
                reason="SMART backend services know client_credentials only; leave it out",
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
    # ibm.com/docs: client secret JWT and private key JWT. Its text wants the issuer, its example the token endpoint.
    "ibm-verify": Preset(
        title="IBM Verify",
        client={"algorithms": [*RS, *PS], "assertion": {"audience": "issuer"}},
        max_lifetime=86400.0,
    ),
    # digital.nhs.uk: signed JWT authentication; NHSDigital's identity service and its tests, for what is refused.
    "nhs": Preset(
        title="NHS England",
        client={"algorithms": ["RS512"], "assertion": {"audience": "token_endpoint"}},
        max_lifetime=300.0,
        rules=(
            Rule(
                key="assertion.audience",
                pattern=r"(?!issuer$).*",
                reason="NHS England expects the URL of the token endpoint; leave it out",
            ),
            Rule(
                key="assertion.typ",
                pattern=r"JWT",
                reason="NHS England refuses any typ but JWT; leave it out",
            ),
        ),
    ),
}
