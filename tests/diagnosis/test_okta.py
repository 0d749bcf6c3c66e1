"""Okta's answers as its documentation lists them, against what the broker makes of them."""

from broker.core.diagnosis import Act
from broker.core.errors import RefusalError
from broker.providers.diagnose import diagnose
from each_case import for_each

REFUSED_CLIENTS = [
    (
        (
            "Client Credentials requests to the Org Authorization Server must use the private_key_jwt"
            " token_endpoint_auth_method."
        ),
        Act.OPERATOR,
        "auth_method",
    ),
    (
        (
            "OAuth Integration Client Credentials requests to the Org Authorization Server must use either"
            " private_key_jwt or client_secret_basic as the token_endpoint_auth_method."
        ),
        Act.OPERATOR,
        "auth_method",
    ),
    (
        (
            "Only clients with 'application_type' of 'service' may use the client_credentials 'grant_type' with the Org"
            " Authorization Server."
        ),
        Act.OPERATOR,
        "grant_refused",
    ),
    (
        "The audience claim for client_assertion must be the endpoint invoked for the request.",
        Act.OPERATOR,
        "audience_refused",
    ),
    (
        "The client_assertion must contain the 'exp' claim as seconds since epoch.",
        Act.OPERATOR,
        "assertion_refused",
    ),
    ("The client_assertion token is expired.", Act.CLOCK, "clock"),
    ("The client_assertion token has an expiration too far into the future.", Act.CLOCK, "clock"),
    ("The client_assertion token must be issued before the current time.", Act.CLOCK, "clock"),
    ("The client_assertion token has already been used.", Act.REBUILD, "assertion_replayed"),
    ("The client_assertion signature is invalid.", Act.KEY, "signature_refused"),
    ("The client_assertion JWT kid is invalid.", Act.KEY, "kid_refused"),
    ("The client JWKSet is invalid.", Act.OPERATOR, "jwks_refused"),
    (
        "The client does not have a JWKSet configured, but the client_assertion requires one.",
        Act.OPERATOR,
        "jwks_refused",
    ),
    ("The client_assertion JWT signature algorithm is invalid.", Act.OPERATOR, "algorithm_refused"),
    ("The client_assertion JWT needs to be signed using a signing key.", Act.OPERATOR, "jwks_refused"),
    (
        (
            "The public key being used for client assertion has an invalid 'use' parameter. Valid values for the"
            " 'use' parameter are sig."
        ),
        Act.OPERATOR,
        "jwks_refused",
    ),
    ("The parsing of the client_assertion failed.", Act.OPERATOR, "assertion_refused"),
    ("The issuer claim for client_assertion is not a valid client_id.", Act.OPERATOR, "client_unknown"),
    ("The subject claim for client_assertion is not a valid client_id.", Act.OPERATOR, "client_unknown"),
    (
        (
            "The issuer and subject claim for client_assertion is invalid because the client does not have a client"
            " secret."
        ),
        Act.OPERATOR,
        "auth_method",
    ),
    ("Error retrieving the client JWKSet from jwks_uri.", Act.SERVER, "jwks_refused"),
    ("All keys in the client JWKSet from jwks_uri must have a unique kid.", Act.OPERATOR, "jwks_refused"),
    ("The client JWKSet from jwks_uri must contain at least one key.", Act.OPERATOR, "jwks_refused"),
    ("The 'jku' in JWT and 'jwks_uri' doesn't match.", Act.OPERATOR, "jwks_refused"),
    (
        "Client authentication failed. Either the client or the client credentials are invalid.",
        Act.OPERATOR,
        "client_unknown",
    ),
    ("Invalid value for 'client_id' parameter.", Act.OPERATOR, "client_unknown"),
    ("No client credentials found.", Act.OPERATOR, "client_unknown"),
]

REFUSED_REQUESTS = [
    (400, "invalid_request", "The client_assertion_type is invalid.", Act.OPERATOR, "assertion_refused"),
    (
        401,
        "invalid_request",
        (
            "Cannot supply multiple client credentials. Use one of the following: credentials in the Authorization"
            " header, credentials in the post body, or a client_assertion in the post body."
        ),
        Act.OPERATOR,
        "auth_method",
    ),
    (
        400,
        "unauthorized_client",
        "This client cannot use a custom authorization server.",
        Act.OPERATOR,
        "wrong_server",
    ),
    (
        400,
        "unauthorized_client",
        "The client is not authorized to use the provided grant type. Configured grant types: [authorization_code].",
        Act.OPERATOR,
        "grant_refused",
    ),
    (
        400,
        "unsupported_grant_type",
        "'client_credentials' grant type can only be used with a custom authorization server.",
        Act.OPERATOR,
        "grant_refused",
    ),
    (
        400,
        "consent_required",
        "You are not allowed any of the requested scopes.",
        Act.OPERATOR,
        "scope_refused",
    ),
    (400, "invalid_request", "The authorization server id is invalid.", Act.OPERATOR, "wrong_server"),
    (
        400,
        "consent_required",
        "The following scopes require user consent: [orders].",
        Act.OPERATOR,
        "scope_refused",
    ),
    (400, "invalid_scope", "No scopes were requested.", Act.OPERATOR, "scope_refused"),
    (
        400,
        "invalid_scope",
        "One or more scopes are not configured for the authorization server resource.",
        Act.OPERATOR,
        "scope_refused",
    ),
    (
        400,
        "invalid_scope",
        "The requested scope is invalid, unknown, malformed, or exceeds the scope granted by the resource owner.",
        Act.OPERATOR,
        "scope_refused",
    ),
    (400, "invalid_scope", "Cannot request 'openid' scopes using client credentials.", Act.OPERATOR, "scope_refused"),
    (
        400,
        "client_credentials_self_scope_requested",
        "The 'client_credentials' grant type may not request .self scopes.",
        Act.OPERATOR,
        "scope_refused",
    ),
    (
        401,
        "access_denied",
        "Policy evaluation failed for this request, please check the policy configurations.",
        Act.OPERATOR,
        "policy_refused",
    ),
    (
        400,
        "access_denied",
        "Policy evaluation succeeded, but all the requested scopes were rejected.",
        Act.OPERATOR,
        "policy_refused",
    ),
    (
        403,
        "access_denied",
        "The request is made from outside the client's permitted network zones.",
        Act.OPERATOR,
        "network_zone",
    ),
    (400, "invalid_dpop_proof", "The DPoP proof JWT header is missing.", Act.OPERATOR, "dpop_required"),
    (400, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.", Act.REBUILD, "dpop_required"),
    (400, "invalid_dpop_proof", "The DPoP proof JWT has already been used.", Act.REBUILD, "dpop_refused"),
    (400, "invalid_dpop_proof", "The DPoP proof JWT is issued in the future.", Act.CLOCK, "clock"),
    (
        400,
        "invalid_dpop_proof",
        "The DPoP proof JWT is issued more than five minutes in the past.",
        Act.CLOCK,
        "clock",
    ),
    (400, "invalid_dpop_proof", "'iat' claim in the DPoP proof JWT is invalid.", Act.CLOCK, "clock"),
    (400, "invalid_dpop_proof", "'htu' claim in the DPoP proof JWT is invalid.", Act.OPERATOR, "dpop_refused"),
    (400, "invalid_dpop_proof", "'htm' claim in the DPoP proof JWT is invalid.", Act.OPERATOR, "dpop_refused"),
    (400, "invalid_dpop_proof", "'typ' must be 'dpop+jwt' in the DPoP proof JWT.", Act.OPERATOR, "dpop_refused"),
    (400, "invalid_dpop_proof", "The DPoP proof JWT signature is invalid.", Act.OPERATOR, "dpop_refused"),
    (400, "invalid_dpop_proof", "Multiple DPoP proof JWT headers are not allowed.", Act.OPERATOR, "dpop_refused"),
    (
        400,
        "temporarily_unavailable",
        (
            "The authorization server is currently unable to handle the request due to a temporary overloading or"
            " maintenance of the server."
        ),
        Act.SERVER,
        "server_error",
    ),
    (
        500,
        "server_error",
        "The authorization server encountered an unexpected condition that prevented it from fulfilling the request.",
        Act.SERVER,
        "server_error",
    ),
    (
        429,
        "E0000047",
        "API call exceeded rate limit due to too many requests.",
        Act.LIMIT,
        "rate_limited",
    ),
    (
        429,
        "invalid_grant",
        "API call exceeded rate limit due to too many requests.",
        Act.LIMIT,
        "rate_limited",
    ),
    (429, "", "Too many requests", Act.LIMIT, "rate_limited"),
    (
        401,
        "E0000015",
        "You do not have permission to access the feature you are requesting",
        Act.OPERATOR,
        "wrong_server",
    ),
]

CASES = [(401, "invalid_client", *case) for case in REFUSED_CLIENTS] + REFUSED_REQUESTS


@for_each(("status", "code", "sentence", "act", "reason"), CASES)
def test_every_sentence_of_okta_has_its_own_diagnosis(
    status: int, code: str, sentence: str, act: Act, reason: str
) -> None:
    diagnosis = diagnose(RefusalError(status, code, sentence))
    assert (diagnosis.act, diagnosis.reason) == (act, reason)


@for_each(("status", "code", "sentence", "act", "reason"), CASES)
def test_case_quotation_marks_spacing_and_the_full_stop_make_no_difference(
    status: int, code: str, sentence: str, act: Act, reason: str
) -> None:
    other = " " + sentence.upper().rstrip(".").replace("'", "\u2019").replace(" ", "\r\n ")
    diagnosis = diagnose(RefusalError(status, f" {code.upper()}", other))
    assert (diagnosis.act, diagnosis.reason) == (act, reason)


@for_each(("status", "code", "sentence"), [case[:3] for case in CASES])
def test_the_words_are_the_servers_own(status: int, code: str, sentence: str) -> None:
    assert diagnose(RefusalError(status, code, sentence)).words == f"{code}: {sentence}".removeprefix(": ")


def test_the_sentence_this_product_exists_for_leads_to_the_admin_console() -> None:
    sentence = REFUSED_CLIENTS[0][0]
    fix = diagnose(RefusalError(401, "invalid_client", sentence)).fix
    assert "Applications > Applications > the app > General > Client Credentials > Edit" in fix
    assert "Public key / Private key" in fix
    assert "`token-broker jwks --client NAME`" in fix
    assert "save" in fix
