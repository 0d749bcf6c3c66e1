"""The errors of Okta's Org authorization server, verbatim: status, `error`, `error_description`.

From Okta's published table of OAuth 2.0 errors (release 2026.08.1). Errors of Okta's API have `errorCode` instead.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of the token endpoint (RFC 6749 section 5.2)."""

    status: int
    error: str
    description: str

    def body(self) -> dict[str, object]:
        """The JSON object on the wire."""
        return {"error": self.error, "error_description": self.description}


@dataclass(frozen=True, slots=True)
class ApiError:
    """An error of Okta's API, which also guards the token endpoint: `errorCode` instead of `error`."""

    status: int
    code: str
    summary: str

    def body(self) -> dict[str, object]:
        """The JSON object on the wire."""
        return {
            "errorCode": self.code,
            "errorSummary": self.summary,
            "errorLink": self.code,
            "errorId": f"oae{self.code}",
            "errorCauses": [],
        }


class RefusedError(Exception):
    """A request is rejected with `refusal`."""

    def __init__(self, refusal: Refusal | ApiError) -> None:
        self.refusal = refusal
        super().__init__(refusal.status)


def _client(description: str) -> Refusal:
    return Refusal(401, "invalid_client", description)


def _proof(description: str) -> Refusal:
    return Refusal(400, "invalid_dpop_proof", description)


GRANT_TYPES = "client_credentials"

SECRET = _client(
    "Client Credentials requests to the Org Authorization Server must use the private_key_jwt"
    " token_endpoint_auth_method."
)
SEVERAL_CREDENTIALS = Refusal(
    401,
    "invalid_request",
    "Cannot supply multiple client credentials. Use one of the following: credentials in the Authorization header,"
    " credentials in the post body, or a client_assertion in the post body.",
)
NO_CREDENTIALS = _client("No client credentials found.")
BAD_AUTHORIZATION = _client("Found Authentication header but was not valid client credentials.")
CLIENT_ID = _client("Invalid value for 'client_id' parameter.")
CLIENT = _client("Client authentication failed. Either the client or the client credentials are invalid.")

ASSERTION_TYPE = Refusal(400, "invalid_request", "The client_assertion_type is invalid.")
PARSING = _client("The parsing of the client_assertion failed.")
ALGORITHM = _client("The client_assertion JWT signature algorithm is invalid.")
ISSUER = _client("The issuer claim for client_assertion is not a valid client_id.")
SUBJECT = _client("The subject claim for client_assertion is not a valid client_id.")
KID = _client("The client_assertion JWT kid is invalid.")
KEY_USE = _client("The client_assertion JWT needs to be signed using a signing key.")
SIGNATURE = _client("The client_assertion signature is invalid.")
REPLAYED = _client("The client_assertion token has already been used.")
AUDIENCE = _client("The audience claim for client_assertion must be the endpoint invoked for the request.")
EXP_MISSING = _client("The client_assertion must contain the 'exp' claim as seconds since epoch.")
EXPIRED = _client("The client_assertion token is expired.")
EXP_TOO_FAR = _client("The client_assertion token has an expiration too far into the future.")
ISSUED_IN_FUTURE = _client("The client_assertion token must be issued before the current time.")

NO_JWKS = _client("The client does not have a JWKSet configured, but the client_assertion requires one.")
BAD_JWKS = _client("The client JWKSet is invalid.")
JWKS_URI_UNREACHABLE = _client("Error retrieving the client JWKSet from jwks_uri.")
JWKS_URI_AMBIGUOUS = _client("All keys in the client JWKSet from jwks_uri must have a unique kid.")
JWKS_URI_EMPTY = _client("The client JWKSet from jwks_uri must contain at least one key.")
JKU = _client("The 'jku' in JWT and 'jwks_uri' doesn't match.")

NO_GRANT_TYPE = Refusal(
    400, "invalid_request", f"The token request must specify a 'grant_type'. Valid values: [{GRANT_TYPES}]"
)
GRANT_TYPE = Refusal(
    400,
    "unsupported_grant_type",
    "The authorization grant type is not supported by the authorization server."
    f" Configured grant types: [{GRANT_TYPES}].",
)
NO_SCOPE = Refusal(400, "invalid_scope", "No scopes were requested.")
MALFORMED_SCOPE = Refusal(
    400,
    "invalid_scope",
    "The requested scope is invalid, unknown, malformed, or exceeds the scope granted by the resource owner.",
)
OPENID_SCOPE = Refusal(400, "invalid_scope", "Cannot request 'openid' scopes using client credentials.")
UNKNOWN_SCOPE = Refusal(
    400, "invalid_scope", "One or more scopes are not configured for the authorization server resource."
)
SELF_SCOPE = Refusal(
    400,
    "client_credentials_self_scope_requested",
    "The 'client_credentials' grant type may not request .self scopes.",
)
CONSENT_REQUIRED = Refusal(400, "consent_required", "You are not allowed any of the requested scopes.")
SERVER_ERROR = Refusal(
    500,
    "server_error",
    "The authorization server encountered an unexpected condition that prevented it from fulfilling the request.",
)

PROOF = _proof("The DPoP proof JWT is invalid.")
PROOF_MISSING = _proof("The DPoP proof JWT header is missing.")
PROOFS = _proof("Multiple DPoP proof JWT headers are not allowed.")
PROOF_PARSING = _proof("The DPoP proof JWT cannot be parsed.")
PROOF_TYPE = _proof("'typ' must be 'dpop+jwt' in the DPoP proof JWT.")
PROOF_ALGORITHM = _proof("The DPoP proof JWT signature algorithm is invalid.")
PROOF_SIGNATURE = _proof("The DPoP proof JWT signature is invalid.")
PROOF_JTI = _proof("'jti' claim in the DPoP proof JWT is invalid.")
PROOF_HTM = _proof("'htm' claim in the DPoP proof JWT is invalid.")
PROOF_HTU = _proof("'htu' claim in the DPoP proof JWT is invalid.")
PROOF_IAT = _proof("'iat' claim in the DPoP proof JWT is invalid.")
PROOF_IN_FUTURE = _proof("The DPoP proof JWT is issued in the future.")
PROOF_TOO_OLD = _proof("The DPoP proof JWT is issued more than five minutes in the past.")
PROOF_EXPIRED = _proof("The DPoP proof JWT is expired.")
PROOF_REPLAYED = _proof("The DPoP proof JWT has already been used.")
PROOF_ATH = _proof("'ath' claim in the DPoP proof does not match the presented access_token.")
USE_NONCE = Refusal(400, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.")

NOT_BOUND_TO_PROOF = _proof("The access_token is not bound to the provided DPoP proof.")
PROOF_REQUIRED = Refusal(400, "invalid_request", "The resource request requires a DPoP proof.")
WRONG_SCHEME = Refusal(
    400,
    "invalid_request",
    "The resource request must use the DPoP authentication scheme when using a DPoP bound token.",
)
NOT_BOUND = Refusal(401, "invalid_token", "The presented access_token is not DPoP bound.")
#: Not an error of Okta, whose API requires no nonce; the answer of an API that does (RFC 9449 section 9).
API_WANTS_NONCE = Refusal(401, "use_dpop_nonce", "Resource server requires nonce in DPoP proof.")

RATE_LIMITED = ApiError(429, "E0000047", "API call exceeded rate limit due to too many requests.")
CONTENT_TYPE = ApiError(
    415, "E0000021", "Bad request. Accept and/or Content-Type headers likely do not match supported values."
)
TOO_LARGE = ApiError(413, "E0000003", "The request body was not well-formed.")
BAD_REQUEST = ApiError(400, "E0000003", "The request body was not well-formed.")
BAD_TOKEN = ApiError(401, "E0000011", "Invalid token provided")
NOT_FOUND = ApiError(404, "E0000007", "Not found: Resource not found")
METHOD = ApiError(405, "E0000022", "The endpoint does not support the provided HTTP method")


def duplicated(names: list[str]) -> Refusal:
    """RFC 6749 section 3.2: parameters must not be included more than once."""
    return Refusal(
        400,
        "invalid_request",
        f"Duplicate parameter provided in request. Duplicated parameters: [{', '.join(names)}].",
    )
