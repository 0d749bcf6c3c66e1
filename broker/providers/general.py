"""Preset of a server without a module of its own, and refusals of any server: error codes, then HTTP statuses.

Codes: RFC 6749 section 5.2, RFC 8628 section 3.5, RFC 8707 section 2, RFC 9449 sections 5 and 8. Texts of one
server belong in its own module.
"""

from broker.core.diagnosis import Act
from broker.providers.preset import Preset
from broker.providers.rows import Row

PRESET = Preset(title="Any server", client={"assertion": {}})

TOO_MANY = Row(
    statuses=(429,),
    reason="rate_limited",
    act=Act.LIMIT,
    cause="The authorization server limits how often this client may ask.",
    fix="Wait, the broker comes back when the server said; if it recurs, have the limit for clients.<name>.client_id"
    " raised, or let fewer replicas share it.",
)

SENTENCES = (
    Row(  # RFC 9449 has no code for a missing proof; this is oidc-provider's
        codes=("invalid_request", "invalid_grant"),
        says=("grant request is invalid",),
        reason="dpop_required",
        act=Act.OPERATOR,
        cause="The client is registered for DPoP-bound tokens, and the broker asked for a Bearer token.",
        fix="Set clients.<name>.dpop to true, or turn DPoP off for this client in the authorization server's console.",
    ),
)

SERVER_FAULT = Row(
    statuses=range(500, 600),
    reason="server_error",
    act=Act.SERVER,
    cause="The authorization server, or a gateway before it, failed with status {status}.",
    fix="Wait, the broker keeps trying; if it lasts, ask whoever runs the authorization server.",
)

CODES = (
    Row(
        codes=("temporarily_unavailable", "server_error"),
        reason="server_error",
        act=Act.SERVER,
        cause="The authorization server says that it cannot answer at the moment.",
        fix="Wait, the broker keeps trying; if it lasts, ask whoever runs the authorization server.",
    ),
    Row(
        codes=("slow_down", "too_many_requests"),
        reason="rate_limited",
        act=Act.LIMIT,
        cause="The authorization server limits how often this client may ask.",
        fix="Wait, the broker comes back by itself; if it recurs, have the limit for clients.<name>.client_id raised,"
        " or let fewer replicas share it.",
    ),
    Row(
        codes=("invalid_client",),
        reason="client_refused",
        act=Act.OPERATOR,
        cause="The authorization server refused the client's credentials without saying which part: client id, key,"
        " kid, audience, algorithm, lifetime or clock.",
        fix="Compare clients.<name>.client_id, clients.<name>.assertion.audience and the key that `token-broker jwks"
        " --client NAME` prints with what is registered, then read the server's own log.",
    ),
    Row(
        codes=("unauthorized_client", "unsupported_grant_type"),
        reason="grant_refused",
        act=Act.OPERATOR,
        cause="The client is not allowed the grant tokens.<name>.grant, or the server does not offer it.",
        fix="Enable it for this client in the authorization server's console (client_credentials: service account,"
        " machine-to-machine), or write the right server as clients.<name>.issuer.",
    ),
    Row(
        codes=("invalid_grant",),
        reason="grant_refused",
        act=Act.OPERATOR,
        cause="The authorization server refused the grant itself, which some do when they require DPoP or have the"
        " client disabled.",
        fix="Read the server's words and its log; see that the client is enabled, allowed tokens.<name>.grant, and"
        " bound to DPoP only if clients.<name>.dpop is set.",
    ),
    Row(
        codes=("consent_required", "interaction_required"),
        reason="grant_refused",
        act=Act.OPERATOR,
        cause="A person has to consent before the server grants this client anything, which the broker cannot do.",
        fix="Have an administrator, or the user named in tokens.<name>.jwt_bearer.subject, consent to the application"
        " and to tokens.<name>.scopes in the authorization server's console.",
    ),
    Row(
        codes=("invalid_scope", "insufficient_scope"),
        reason="scope_refused",
        act=Act.OPERATOR,
        cause="The server does not grant this client the requested scopes.",
        fix="Correct tokens.<name>.scopes, or have the scopes granted to the client in the authorization server's"
        " console.",
    ),
    Row(
        codes=("invalid_target",),
        reason="target_refused",
        act=Act.OPERATOR,
        cause="The authorization server does not accept the requested resource or audience.",
        fix="Correct tokens.<name>.resource or tokens.<name>.audience: the API's identifier exactly as it is"
        " registered, for resource an absolute URI.",
    ),
    Row(
        codes=("access_denied",),
        reason="policy_refused",
        act=Act.OPERATOR,
        cause="A policy of the authorization server denied the request.",
        fix="Have a policy allow this client tokens.<name>.grant and tokens.<name>.scopes, from this network.",
    ),
    Row(
        codes=("use_dpop_nonce",),
        reason="dpop_required",
        act=Act.REBUILD,
        cause="The server wants its newest nonce in a DPoP proof.",
        fix="Nothing, if it does not come back: the next attempt follows at once; otherwise look for a proxy that drops"
        " the header DPoP-Nonce from the server's answers.",
    ),
    Row(
        codes=("invalid_dpop_proof",),
        reason="dpop_refused",
        act=Act.OPERATOR,
        cause="The authorization server did not accept the DPoP proof, or wants one and got none.",
        fix="Set clients.<name>.dpop to true if it is not; if it is, compare its algorithm with what the server takes,"
        " and look for a proxy that rewrites headers.",
    ),
    Row(
        codes=("invalid_request",),
        reason="request_refused",
        act=Act.OPERATOR,
        cause="The authorization server finds the request malformed: a parameter is missing, unknown or repeated.",
        fix="Compare tokens.<name>.parameters, tokens.<name>.audience, tokens.<name>.resource and"
        " clients.<name>.send_client_id with what the server's documentation asks for.",
    ),
)

STATUSES = (
    Row(
        statuses=(401,),
        reason="client_refused",
        act=Act.OPERATOR,
        cause="The client was refused with status {status} and no error code that the broker knows.",
        fix="Compare clients.<name>.client_id, clients.<name>.assertion.audience and the key that `token-broker jwks"
        " --client NAME` prints with what is registered, then read the server's own log.",
    ),
    Row(
        statuses=(403,),
        reason="client_refused",
        act=Act.OPERATOR,
        cause="The request was forbidden without an error code that the broker knows, by the authorization server or"
        " by a gateway or firewall before it.",
        fix="Find out who answered: if a gateway, let this network through; if the server, compare"
        " clients.<name>.client_id, the registered key and clients.<name>.assertion.audience.",
    ),
    Row(
        statuses=(404, 405, 406, 410, 415, 421),
        reason="wrong_server",
        act=Act.OPERATOR,
        cause="What answered {status} is not a token endpoint.",
        fix="Correct clients.<name>.token_endpoint or clients.<name>.issuer, path included.",
    ),
    Row(
        statuses=(407,),
        reason="proxy_failed",
        act=Act.OPERATOR,
        cause="The HTTP proxy wants other credentials (status 407).",
        fix="Write the proxy's user into clients.<name>.http.proxy and its password into the file"
        " clients.<name>.http.proxy_password_file.",
    ),
    Row(
        statuses=(408, 425),
        reason="timeout",
        act=Act.SERVER,
        cause="The authorization server, or a gateway before it, gave up waiting for the request (status {status}).",
        fix="Wait, the broker keeps trying; if it lasts, look for loss or delay on the network.",
    ),
    Row(
        statuses=range(300, 400),
        reason="redirected",
        act=Act.OPERATOR,
        cause="The token endpoint answered with a redirect (status {status}), which is never followed with an"
        " assertion.",
        fix="Write the final address as clients.<name>.token_endpoint, or correct clients.<name>.issuer.",
    ),
    Row(
        statuses=range(200, 300),
        reason="bad_answer",
        act=Act.OPERATOR,
        cause="The server answered {status} with an error that the broker does not know instead of a token.",
        fix="Read the server's words, and check that clients.<name>.issuer or clients.<name>.token_endpoint is an OAuth"
        " 2.0 server.",
    ),
)

NO_ERROR = Row(
    codes=("",),
    reason="unknown",
    act=Act.SERVER,
    cause="What answered {status} is not an error of OAuth (RFC 6749 section 5.2), so it may come from a gateway before"
    " the authorization server.",
    fix="See what really answers at clients.<name>.token_endpoint or clients.<name>.issuer; the broker keeps trying.",
)

UNKNOWN = Row(
    reason="unknown",
    act=Act.OPERATOR,
    cause="The authorization server refused the request with status {status} for a reason that the broker does not"
    " know.",
    fix="Read the server's words, and look for this request in its log by clients.<name>.client_id and time.",
)
