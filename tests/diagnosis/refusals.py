"""What the token endpoints of others than Okta answer, word for word where it is known; made-up names in it."""

from dataclasses import dataclass

from broker.core.diagnosis import Act


@dataclass(frozen=True)
class Said:
    """An answer of the server behind the preset `provider`, and what it should be taken for."""

    provider: str
    status: int
    error: str
    description: str | None
    reason: str
    act: Act

    def __str__(self) -> str:
        return f"{self.provider}-{self.error}-{(self.description or 'null')[:40]}"

    @property
    def body(self) -> dict[str, object]:
        return {"error": self.error, "error_description": self.description}


SIGNED_JWT = "Client authentication with signed JWT failed: "
MASKINPORTEN = "Invalid assertion. Client authentication failed."
TRACE = "(trace_id: 356666143081bbec11d293753e9702ca)"
FOSITE_CLIENT = (
    "Client authentication failed (e.g., unknown client, no client authentication included, or unsupported"
    " authentication method). "
)
FOSITE_REQUEST = (
    "The request is missing a required parameter, includes an invalid parameter value, includes a parameter more than"
    " once, or is otherwise malformed. "
)
IDS = (
    " Trace ID: 0000aaaa-11bb-cccc-dd33-eeeeee333333 Correlation ID: aaaa0000-bb11-2222-33cc-444444dddddd Timestamp:"
    " 2026-11-23 02:02:12Z"
)

ENTRA = [
    Said("entra", 401, "invalid_client", f"{text}{IDS}", reason, act)
    for text, reason, act in (
        (
            (
                "AADSTS700027: Client assertion contains an invalid signature. [Reason - The key was not found.,"
                " Thumbprint of key used by client: 'CAFE', Please visit the Azure Portal to register it.]"
            ),
            "signature_refused",
            Act.KEY,
        ),
        (
            (
                "AADSTS700027: Client assertion contains an invalid signature. [Reason - The key used is expired.,"
                " Thumbprint of key used by client: 'CAFE', Found key 'Start=06/29/2023 21:13:15, End=06/29/2025"
                " 21:13:15']"
            ),
            "key_expired",
            Act.KEY,
        ),
        ("AADSTS700027: Client assertion failed signature validation.", "signature_refused", Act.KEY),
        (
            (
                "AADSTS700024: Client assertion is not within its valid time range. Current time:"
                " 2026-11-23T06:33:19.0000000Z, assertion valid from 2026-11-23T06:23:15.0000000Z, expiry time of"
                " assertion 2026-11-23T06:28:15.0000000Z."
            ),
            "clock",
            Act.CLOCK,
        ),
        (
            "AADSTS700030: Invalid certificate - subject name in certificate isn't authorized.",
            "signature_refused",
            Act.KEY,
        ),
        (
            "AADSTS70021: No matching federated identity record found for presented assertion.",
            "client_unknown",
            Act.OPERATOR,
        ),
        (
            (
                "AADSTS700213: No matching federated identity record found for presented assertion subject"
                " 'system:serviceaccount:shop:web'."
            ),
            "client_unknown",
            Act.OPERATOR,
        ),
        (
            "AADSTS700025: Client is public so neither 'client_assertion' nor 'client_secret'.",
            "auth_method",
            Act.OPERATOR,
        ),
        ("AADSTS50027: JWT token is invalid or malformed.", "assertion_refused", Act.OPERATOR),
        (
            "AADSTS700016: Application with identifier 'x' was not found in the directory 'Shop'.",
            "client_unknown",
            Act.OPERATOR,
        ),
        ("AADSTS90002: Tenant 'x' not found.", "wrong_server", Act.OPERATOR),
        (
            "AADSTS70011: The provided value for the input parameter 'scope' isn't valid. The scope a b isn't valid.",
            "scope_refused",
            Act.OPERATOR,
        ),
        (
            "AADSTS500011: The resource principal named api://x was not found in the tenant named Shop.",
            "target_refused",
            Act.OPERATOR,
        ),
        ("AADSTS65001: The user or administrator has not consented to use the app.", "scope_refused", Act.OPERATOR),
        ("AADSTS53003: Access has been blocked by Conditional Access policies.", "policy_refused", Act.OPERATOR),
        ("AADSTS50196: The server terminated an operation because of a client loop.", "rate_limited", Act.LIMIT),
        ("AADSTS7009999: Something that is not known yet.", "client_refused", Act.OPERATOR),
    )
]

KEYCLOAK = (
    [
        Said("keycloak", 400, code, f"{prefix}{text}", reason, act)
        for code, prefix in (("invalid_client", ""), ("unauthorized_client", SIGNED_JWT))
        for text, reason, act in (
            ("Token is not active", "clock", Act.CLOCK),
            ("Token was issued in the future", "clock", Act.CLOCK),
            ("Token was issued too far in the past to be used now", "clock", Act.CLOCK),
            (
                "Token expiration is too far in the future and iat claim not present in token",
                "assertion_refused",
                Act.OPERATOR,
            ),
            ("Token exp claim is required", "assertion_refused", Act.OPERATOR),
            ("Token jti claim is required", "assertion_refused", Act.OPERATOR),
            ("Token reuse detected", "assertion_replayed", Act.REBUILD),
            ("Invalid token audience", "audience_refused", Act.OPERATOR),
            ("Multiple audiences not allowed", "audience_refused", Act.OPERATOR),
            ("Invalid signature algorithm", "algorithm_refused", Act.KEY),
            ("Unable to load public key", "kid_refused", Act.KEY),
            ("Signature on JWT token failed validation", "signature_refused", Act.KEY),
            ("client_id parameter does not match sub claim", "client_unknown", Act.OPERATOR),
            ("Parameter client_assertion_type is missing", "assertion_refused", Act.OPERATOR),
        )
    ]
    + [
        Said("keycloak", 400, error, text, reason, act)
        for error, text, reason, act in (
            (
                "invalid_client",
                (
                    f"{SIGNED_JWT}Error when loading public keys: java.net.UnknownHostException: nowhere.invalid: Name"
                    " or service not known"
                ),
                "jwks_refused",
                Act.KEY,
            ),
            (
                "unauthorized_client",
                (
                    "Client authentication with client secret signed JWT failed: Signature on JWT token by client"
                    " secret failed validation"
                ),
                "auth_method",
                Act.OPERATOR,
            ),
            ("invalid_client", "Missing client_id parameter", "auth_method", Act.OPERATOR),
            ("invalid_request", "DPoP proof has already been used", "dpop_refused", Act.REBUILD),
            ("invalid_request", "DPoP proof is not active", "clock", Act.CLOCK),
            ("invalid_request", "DPoP HTTP URL mismatch", "dpop_refused", Act.OPERATOR),
            ("invalid_request", "DPoP HTTP method mismatch", "dpop_refused", Act.OPERATOR),
            ("invalid_request", "No JWK in DPoP header", "dpop_refused", Act.OPERATOR),
            ("invalid_request", "Private key material must not be present in DPoP JWK", "dpop_refused", Act.OPERATOR),
        )
    ]
    + [
        Said(
            "keycloak",
            401,
            "unauthorized_client",
            "Invalid client or Invalid client credentials",
            "client_refused",
            Act.OPERATOR,
        ),
        Said(
            "keycloak",
            401,
            "unauthorized_client",
            "Client not enabled to retrieve service account",
            "grant_refused",
            Act.OPERATOR,
        ),
    ]
)

MASKINPORTEN_SAYS = [
    Said("maskinporten", 400, error, f"{text}. {TRACE}", reason, act)
    for error, text, reason, act in (
        ("invalid_grant", f"{MASKINPORTEN}", "client_refused", Act.OPERATOR),
        ("invalid_grant", f"{MASKINPORTEN} Invalid JWT claim aud", "audience_refused", Act.OPERATOR),
        (
            "invalid_grant",
            f"{MASKINPORTEN} The JWT is signed with an invalid certificate",
            "signature_refused",
            Act.KEY,
        ),
        ("invalid_grant", f"{MASKINPORTEN} Expired key", "key_expired", Act.KEY),
        ("invalid_grant", f"{MASKINPORTEN} Invalid JWT signature", "signature_refused", Act.KEY),
        (
            "invalid_grant",
            (
                f"{MASKINPORTEN} Invalid JWT. The client requires pre-registered jwk and no key identifier (kid)"
                " provided"
            ),
            "kid_refused",
            Act.KEY,
        ),
        ("invalid_grant", "Grant is used before", "assertion_replayed", Act.REBUILD),
        ("invalid_request", "Invalid assertion. Invalid parameter value", "assertion_refused", Act.OPERATOR),
        ("invalid_scope", "Token request contains invalid scopes for client", "scope_refused", Act.OPERATOR),
        ("invalid_request", "invalid_altinn_customer_configuration", "policy_refused", Act.OPERATOR),
    )
]

GOOGLE = [
    Said("google", 400, error, text, reason, act)
    for error, text, reason, act in (
        (
            "invalid_grant",
            (
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your"
                " iat and exp values in the JWT claim."
            ),
            "clock",
            Act.CLOCK,
        ),
        ("invalid_grant", "Invalid JWT Signature.", "signature_refused", Act.KEY),
        ("invalid_grant", "Invalid grant: account not found", "client_unknown", Act.OPERATOR),
        ("invalid_grant", "Invalid JWT: Failed audience check.", "audience_refused", Act.OPERATOR),
        (
            "unauthorized_client",
            (
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any"
                " of the scopes requested."
            ),
            "grant_refused",
            Act.OPERATOR,
        ),
        ("invalid_scope", "Invalid OAuth scope or ID token audience provided.", "scope_refused", Act.OPERATOR),
    )
]

SALESFORCE = [
    Said("salesforce", 400, error, text, reason, act)
    for error, text, reason, act in (
        ("invalid_grant", "user hasn't approved this consumer", "grant_refused", Act.OPERATOR),
        ("invalid_app_access", "user is not admin approved to access this app", "grant_refused", Act.OPERATOR),
        ("invalid_grant", "audience is invalid", "audience_refused", Act.OPERATOR),
        ("invalid_grant", "expired authorization code", "clock", Act.CLOCK),
        ("invalid_client_id", "client identifier invalid", "client_unknown", Act.OPERATOR),
        ("invalid_grant", "invalid assertion", "signature_refused", Act.KEY),
    )
]

OTHERS = [
    Said("generic", 400, "new_error", "Something that nobody has heard of.", "unknown", Act.OPERATOR),
    Said("keycloak", 400, "invalid_request", "DPoP proof is missing", "dpop_required", Act.OPERATOR),
    Said("generic", 400, "invalid_grant", "grant request is invalid", "dpop_required", Act.OPERATOR),
    Said("docusign", 400, "consent_required", None, "grant_refused", Act.OPERATOR),
    Said("docusign", 400, "invalid_grant", "no_valid_keys_or_signatures", "signature_refused", Act.KEY),
    Said("docusign", 400, "invalid_grant", "issuer_not_found", "client_unknown", Act.OPERATOR),
    Said("docusign", 400, "invalid_grant", "user_not_found", "client_unknown", Act.OPERATOR),
    Said("smart", 400, "invalid_client", None, "client_refused", Act.OPERATOR),
    Said("auth0", 429, "too_many_requests", "The client quota has been exceeded.", "rate_limited", Act.LIMIT),
    Said(
        "auth0",
        403,
        "access_denied",
        'Client is not authorized to access "https://api.example". You need to create a "client-grant".',
        "target_refused",
        Act.OPERATOR,
    ),
    Said("auth0", 403, "access_denied", "Service not found: https://api.example", "target_refused", Act.OPERATOR),
    Said("auth0", 403, "access_denied", "Client has not been granted scopes: read:x", "scope_refused", Act.OPERATOR),
    Said(
        "auth0",
        403,
        "unauthorized_client",
        "Grant type 'client_credentials' not allowed for the client.",
        "grant_refused",
        Act.OPERATOR,
    ),
]

NHS = [
    Said("nhs", 400, "invalid_request", text, reason, act)
    for text, reason, act in (
        (
            "Invalid 'alg' header in JWT - unsupported JWT algorithm - must be 'RS512'",
            "algorithm_refused",
            Act.OPERATOR,
        ),
        ("Missing 'kid' header in JWT", "kid_refused", Act.KEY),
        ("Invalid 'kid' header in JWT - no matching public key", "kid_refused", Act.KEY),
        ("Invalid iss/sub claims in JWT", "client_unknown", Act.OPERATOR),
        ("Invalid exp claim in JWT - more than 5 minutes in future", "clock", Act.CLOCK),
    )
]

FOSITE = [
    Said("ory-hydra", status, error, text, reason, act)
    for status, error, text, reason, act in (
        (
            400,
            "invalid_request",
            f"{FOSITE_REQUEST}The JSON Web Token must contain a kid header value but did not.",
            "kid_refused",
            Act.KEY,
        ),
        (
            400,
            "invalid_request",
            f'{FOSITE_REQUEST}The JSON Web Token uses signing key with kid "k1", which could not be found.',
            "kid_refused",
            Act.KEY,
        ),
        (
            400,
            "invalid_request",
            f"{FOSITE_REQUEST}Unable to find RSA public key with use='sig' for kid 'k1' in JSON Web Key Set.",
            "jwks_refused",
            Act.OPERATOR,
        ),
        (
            401,
            "invalid_client",
            f"{FOSITE_CLIENT}Unable to verify the integrity of the 'client_assertion' value.",
            "signature_refused",
            Act.KEY,
        ),
        (
            400,
            "jti_known",
            "The jti was already used.",
            "assertion_replayed",
            Act.REBUILD,
        ),
        (
            400,
            "invalid_request",
            f'{FOSITE_REQUEST}Claim "jti" from "client_assertion" MUST only be used once.',
            "assertion_replayed",
            Act.REBUILD,
        ),
        (
            401,
            "invalid_client",
            (
                f"{FOSITE_CLIENT}Claim 'audience' from 'client_assertion' must match the authorization server's token"
                " endpoint 'https://hydra.example/oauth2/token'."
            ),
            "audience_refused",
            Act.OPERATOR,
        ),
        (
            401,
            "invalid_client",
            f"{FOSITE_CLIENT}Claim 'sub' from 'client_assertion' must match the 'client_id' of the OAuth 2.0 Client.",
            "client_unknown",
            Act.OPERATOR,
        ),
        (
            401,
            "invalid_client",
            (
                f"{FOSITE_CLIENT}The OAuth 2.0 Client supports client authentication method 'client_secret_basic', but"
                " method 'private_key_jwt' was requested. You must configure the OAuth 2.0 client's"
                " 'token_endpoint_auth_method' value to accept 'private_key_jwt'."
            ),
            "auth_method",
            Act.OPERATOR,
        ),
    )
]

SAID = [*ENTRA, *KEYCLOAK, *MASKINPORTEN_SAYS, *GOOGLE, *SALESFORCE, *OTHERS, *NHS, *FOSITE]
