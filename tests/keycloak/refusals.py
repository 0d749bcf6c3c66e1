"""Every way in which Keycloak is known to refuse a client with a signed JWT: what brings it about, and its words."""

from dataclasses import dataclass

from broker.core.diagnosis import Act, Reason
from keycloak import mistakes
from keycloak.mistakes import Asked, audience, bound, changed, registered, sent, with_form, with_jwk

#: Said to whoever is not to know why.
UNTOLD = "Invalid client or Invalid client credentials"
SIGNED = "Client authentication with signed JWT failed: "
SIGNATURE = f"{SIGNED}Signature on JWT token failed validation"
#: A Java exception follows.
LOADING = f"{SIGNED}Error when loading public keys…"
BY_SECRET = "Client authentication with client secret signed JWT failed: Signature on JWT token by client secret…"
NO_KEY = "Unable to load public key"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """`asked` brings it about; `says` is its whole description, or what that begins with when an ellipsis follows.

    `reason` and `act` are what the broker has to make of it.
    """

    case: str
    asked: Asked
    status: int
    error: str
    says: str
    reason: Reason
    act: Act

    def __str__(self) -> str:
        return self.case


def because(
    reason: Reason, act: Act, *rows: tuple[str, Asked, str], status: int = 400, error: str = "invalid_client"
) -> list[Refusal]:
    return [
        Refusal(case=case, asked=asked, status=status, error=error, says=says, reason=reason, act=act)
        for case, asked, says in rows
    ]


REFUSALS = (
    *because(
        "clock",
        Act.CLOCK,
        ("an assertion that expired 5 s ago", sent(iat=-40, exp=-5), "Token is not active"),
        ("an assertion that is not to be used yet", sent(nbf=30), "Token is not active"),
        ("an assertion made 30 s from now", sent(iat=30, exp=90), "Token was issued in the future"),
        (
            "an assertion made 90 s ago that lives on",
            sent(iat=-90, exp=60),
            "Token was issued too far in the past to be used now",
        ),
    ),
    *because(
        "assertion_refused",
        Act.OPERATOR,
        ("an assertion without exp", sent(exp=None), "Token exp claim is required"),
        ("an assertion without jti", sent(jti=None), "Token jti claim is required"),
        (
            "a long-lived assertion without iat",
            sent(iat=None, exp=300),
            "Token expiration is too far in the future and iat claim not present in token",
        ),
    ),
    *because("assertion_replayed", Act.REBUILD, ("the same assertion again", mistakes.twice, "Token reuse detected")),
    *because(
        "audience_refused",
        Act.OPERATOR,
        ("another audience", sent(aud="https://elsewhere.example"), "Invalid token audience"),
        ("the issuer with a slash", audience(lambda server: f"{server.issuer}/"), "Invalid token audience"),
        (
            "the issuer under another name of its host",
            audience(lambda server: server.issuer.replace("127.0.0.1", "localhost")),
            "Invalid token audience",
        ),
        (
            "two audiences, each of them right",
            audience(lambda server: [server.issuer, server.token_endpoint]),
            "Multiple audiences not allowed",
        ),
    ),
    *because(
        "algorithm_refused",
        Act.KEY,
        ("Ed25519 by its new name", sent("Ed25519"), "Invalid signature algorithm"),
        (
            "ES256 where RS256 is registered",
            registered(token_endpoint_auth_signing_alg="RS256"),
            "Invalid signature algorithm",
        ),
        ("no signature", mistakes.unsigned_at_all, "Invalid signature algorithm"),
    ),
    *because(
        "kid_refused",
        Act.KEY,
        ("an unknown kid", mistakes.an_unknown_key, NO_KEY),
        ("no key registered", registered(use_jwks_string="false", jwks_string=""), NO_KEY),
        ("a JWK that does not say what it is for", with_jwk(lambda jwk: jwk.pop("use")), NO_KEY),
        ("a JWK without kid", with_jwk(lambda jwk: jwk.pop("kid")), NO_KEY),
        ("a key imported as PEM", mistakes.imported_as_pem, NO_KEY),
    ),
    *because(
        "signature_refused",
        Act.KEY,
        ("another key of that kid", mistakes.another_key_of_that_kid, SIGNATURE),
        ("the second of two keys without kid", mistakes.the_second_key_without_kid, SIGNATURE),
        ("PS256 by a JWK that says RS256", mistakes.another_algorithm_than_the_jwk_says, SIGNATURE),
    ),
    *because(
        "jwks_refused",
        Act.KEY,
        ("a JWK where a JWKS belongs", mistakes.a_single_jwk, LOADING),
        ("a JWKS URL where nobody answers", registered(jwks_url="http://127.0.0.1:1/jwks.json"), LOADING),
        ("a JWKS URL whose host is not found", registered(jwks_url="https://keys.invalid/jwks.json"), LOADING),
    ),
    *because(
        "client_refused",
        Act.OPERATOR,
        ("an unknown client", sent(iss="nobody", sub="nobody"), UNTOLD),
        ("a disabled client", changed(enabled=False), UNTOLD),
        ("a client with Client Id and Secret", changed(clientAuthenticatorType="client-secret"), UNTOLD),
        status=401,
    ),
    *because(
        "auth_method",
        Act.OPERATOR,
        (
            "a client with X509 Certificate",
            changed(clientAuthenticatorType="client-x509"),
            "Missing client_id parameter",
        ),
    ),
    *because(
        "auth_method",
        Act.OPERATOR,
        (
            "a client with Signed JWT with Client Secret",
            changed(clientAuthenticatorType="client-secret-jwt"),
            BY_SECRET,
        ),
        error="unauthorized_client",
    ),
    *because(
        "grant_refused",
        Act.OPERATOR,
        (
            "a client without service account",
            changed(serviceAccountsEnabled=False),
            "Client not enabled to retrieve service account",
        ),
        status=401,
        error="unauthorized_client",
    ),
    *because(
        "grant_refused",
        Act.OPERATOR,
        ("an unknown grant", with_form(grant_type="unknown"), "Unsupported grant_type"),
        error="unsupported_grant_type",
    ),
    *because(
        "scope_refused",
        Act.OPERATOR,
        (
            "a scope that the client does not have",
            with_form(scope="email unknown-scope"),
            "Invalid scopes: email unknown-scope",
        ),
        error="invalid_scope",
    ),
    *because(
        "dpop_required",
        Act.OPERATOR,
        ("no proof", mistakes.no_proof_at_all, "DPoP proof is missing"),
        error="invalid_request",
    ),
    *because(
        "dpop_refused",
        Act.REBUILD,
        ("the same proof again", mistakes.a_proof_twice, "DPoP proof has already been used"),
        error="invalid_request",
    ),
    *because(
        "clock",
        Act.CLOCK,
        ("a proof made 40 s ago", bound(iat=-40), "DPoP proof is not active"),
        ("a proof made 30 s from now", bound(iat=30), "DPoP proof is not active"),
        error="invalid_request",
    ),
    *because(
        "dpop_refused",
        Act.OPERATOR,
        ("a proof for another URL", bound(htu="https://elsewhere.example/token"), "DPoP HTTP URL mismatch"),
        ("a proof for another method", bound(method="GET"), "DPoP HTTP method mismatch"),
        ("a proof without jti", bound(jti=None), "DPoP mandatory claims are missing"),
        ("a proof with Ed25519", bound(algorithm="Ed25519"), "Unsupported DPoP algorithm: Ed25519"),
        ("a proof that is no JWT", mistakes.not_a_proof, "DPoP header verification failure"),
        error="invalid_request",
    ),
)
