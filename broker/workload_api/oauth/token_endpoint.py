"""`POST /oauth2/token` and its metadata, for unmodified OAuth 2.0 clients (RFC 6749 section 4.4, RFC 8414)."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from broker.core.events import HandedOut, Observer, Refused
from broker.core.settings import TokenSettings
from broker.core.tokens import Token
from broker.http_server import web
from broker.workload_api.answers import Problem, failure, success
from broker.workload_api.callers.registry import Callers, Denied
from broker.workload_api.guard import FORWARDED
from broker.workload_api.head import Head
from broker.workload_api.routes import OAUTH
from broker.workload_api.tokens import Tokens

FORM = "application/x-www-form-urlencoded"
#: Most form parameters; clients send about five.
MAX_PARAMETERS = 64
#: Stands for unsupported credentials: no caller has an empty secret.
UNMATCHABLE_SECRET = ""

# RFC 6749 section 5.2 permits no quotation mark and no backslash in error_description.
NOT_A_FORM = Problem(400, "invalid_request", f"The body must be a form: Content-Type: {FORM}, in UTF-8.")
TWICE = Problem(400, "invalid_request", "A parameter is given twice.")
TWO_CREDENTIALS = Problem(
    400, "invalid_request", "There are two credentials. Send client_id and client_secret by Basic or in the form."
)
NO_GRANT = Problem(400, "invalid_request", "The parameter grant_type is missing; it is client_credentials here.")
WRONG_GRANT = Problem(400, "unsupported_grant_type", "The only grant_type here is client_credentials.")
INVALID_CLIENT = Problem(
    401,
    "invalid_client",
    "client_id must be the name of a token, and client_secret the secret of a caller that the broker's configuration "
    "names under api.callers.",
    headers={"WWW-Authenticate": 'Basic realm="token-broker"'},
)
UNAUTHORIZED = Problem(
    400,
    "unauthorized_client",
    "This caller may not have this token; the broker's configuration lists who may under tokens.NAME.callers.",
)
NOT_BEARER = Problem(
    400,
    "unauthorized_client",
    "This token is bound to a key of the broker (DPoP), and OAuth clients would send it as Bearer. Ask for it with a "
    "proof: POST /v1/tokens/NAME/proof.",
)
WRONG_SCOPE = Problem(400, "invalid_scope", "The token was not granted with that scope; leave scope out to get it.")
WRONG_TARGET = Problem(
    400, "invalid_target", "The token is meant for another resource or audience; leave them out to get it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentialsRequest:
    """A well-formed token request."""

    #: Names a token.
    client_id: str | None
    #: The possible readings of the secret: raw and form-decoded; empty without credentials.
    secrets: tuple[str, ...] = field(repr=False)
    grant_type: str | None
    scopes: frozenset[str]
    resources: frozenset[str]
    audience: str | None


def parse_request(head: Head, body: bytes) -> ClientCredentialsRequest | Problem:
    """Parse a token request (RFC 6749 section 4.4.2), or return the error if it is malformed."""
    types = head.values("content-type")
    if len(types) != 1 or types[0].partition(";")[0].strip().lower() != FORM:
        return NOT_A_FORM
    try:
        pairs = parse_qsl(
            body.decode("ascii"), encoding="utf-8", errors="strict", max_num_fields=MAX_PARAMETERS
        )  # drops parameters without a value (RFC 6749 section 3.2)
    except ValueError:
        return NOT_A_FORM
    parameters = dict(pairs)
    resources = [value for name, value in pairs if name == "resource"]  # repeatable (RFC 8707 section 2)
    if len(pairs) - len(resources) != len(parameters.keys() - {"resource"}):
        return TWICE
    credentials = _credentials(head, parameters)
    if isinstance(credentials, Problem):
        return credentials
    client_id, secrets = credentials
    return ClientCredentialsRequest(
        client_id=client_id,
        secrets=secrets,
        grant_type=parameters.get("grant_type"),
        scopes=frozenset(parameters.get("scope", "").split()),
        resources=frozenset(resources),
        audience=parameters.get("audience"),
    )


def _credentials(head: Head, parameters: Mapping[str, str]) -> tuple[str | None, tuple[str, ...]] | Problem:
    """The client id and the possible secrets, from Basic or from the form (RFC 6749 section 2.3.1).

    A client assertion or another scheme than Basic counts as a wrong secret.
    """
    headers = head.values("authorization")
    in_form = [name for name in ("client_secret", "client_assertion") if name in parameters]
    if len(headers) + len(in_form) > 1:
        return TWO_CREDENTIALS
    client_id = parameters.get("client_id")
    if not headers:
        return client_id, tuple(parameters.get("client_secret", UNMATCHABLE_SECRET) for _ in in_form)
    scheme, _, text = headers[0].partition(" ")
    try:
        user, colon, secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except ValueError:  # invalid Base64 or UTF-8
        return client_id, (UNMATCHABLE_SECRET,)
    if scheme.lower() != "basic" or not colon:
        return client_id, (UNMATCHABLE_SECRET,)
    if client_id is not None and client_id not in (user, unquote_plus(user)):
        return TWO_CREDENTIALS
    # RFC 6749 section 2.3.1 requires form-encoding of both; many clients omit it.
    return client_id or unquote_plus(user) or None, tuple(dict.fromkeys((secret, unquote_plus(secret))))


class LocalTokenEndpoint:
    """Answers OAuth token requests. `Handout` has checked the head before, except for `head.forwarded`.

    `mode`: the value of `api.token_endpoint`; not used with `off`.
    """

    def __init__(
        self,
        mode: Literal["callers", "open"],
        settings: Mapping[str, TokenSettings],
        tokens: Tokens,
        callers: Callers,
        *,
        observe: Observer,
    ) -> None:
        self._mode = mode
        self._settings = settings
        self._tokens = tokens
        self._callers = callers
        self._observe = observe

    async def answer(self, head: Head, body: bytes, *, uid: int | None) -> web.Response:
        """Answer a POST; `uid` is the peer's user id on a Unix socket."""
        request = parse_request(head, body)
        if isinstance(request, Problem):
            return failure("json", request)
        caller = self._authenticate(request, uid)
        if isinstance(caller, Problem):
            self._observe(Refused(reason="caller"))
            return failure("json", caller)
        if head.forwarded and not self._has_caller_secret(request):
            refusal = FORWARDED[head.forwarded]
            self._observe(Refused(reason=refusal.reason))
            return failure("json", Problem(refusal.status, refusal.error, refusal.description))
        found = await self._find(request, caller)
        if isinstance(found, Problem):
            return failure("json", found)
        name, token = found
        self._observe(HandedOut(token=name, caller=caller))
        answer = success("json", self._tokens.encode("json", token))
        answer.headers["Pragma"] = "no-cache"  # RFC 6749 section 5.1
        return answer

    def _has_caller_secret(self, request: ClientCredentialsRequest) -> bool:
        """Whether the request carries a caller's secret; it may then come through a proxy such as Envoy."""
        return any(self._callers.by_secret(secret) for secret in request.secrets)

    def _authenticate(self, request: ClientCredentialsRequest, uid: int | None) -> str | Problem:
        """The caller's name. An unknown token is answered like a wrong secret, since `client_id` names the token."""
        name = request.client_id or self._tokens.default
        caller = self._caller(request, uid)
        if name is None or name not in self._tokens or isinstance(caller, Denied):
            return INVALID_CLIENT
        if self._mode == "callers" and not self._has_caller_secret(request):
            return INVALID_CLIENT
        denied = self._callers.permits(name, caller)
        return INVALID_CLIENT if denied and denied.authenticate else caller

    def _caller(self, request: ClientCredentialsRequest, uid: int | None) -> str | Denied:
        """The caller identified by any reading of the secret."""
        callers = [self._callers.identify(secret, uid) for secret in request.secrets or (None,)]
        return next((caller for caller in callers if isinstance(caller, str)), callers[0])

    async def _find(self, request: ClientCredentialsRequest, caller: str) -> tuple[str, Token] | Problem:
        """The name and token for an authenticated caller, or the error to answer."""
        name = request.client_id or self._tokens.default or ""
        if self._callers.permits(name, caller):
            self._observe(Refused(reason="permission"))
            return UNAUTHORIZED
        if request.grant_type != "client_credentials":
            return WRONG_GRANT if request.grant_type else NO_GRANT
        settings = self._settings[name]
        if not request.resources <= set(settings.resource) or request.audience not in (None, settings.audience):
            return WRONG_TARGET
        token = await self._tokens.obtain(name)
        if isinstance(token, Problem):
            return token
        if token.token_type != "Bearer":  # noqa: S105 - no password
            return NOT_BEARER
        return (name, token) if request.scopes <= set(token.scope.split()) else WRONG_SCOPE

    def metadata(self, host: str | None) -> web.Response:
        """The metadata document (RFC 8414 section 3.2). `host` is the permitted Host, `None` on a Unix socket."""
        issuer = f"http://{host or 'localhost'}"
        methods = ["client_secret_basic", "client_secret_post"]
        return success(
            "json",
            msgspec.json.encode(
                {
                    "issuer": issuer,
                    "token_endpoint": issuer + OAUTH.label,
                    "grant_types_supported": ["client_credentials"],
                    "response_types_supported": [],  # required member; there is no authorization endpoint
                    "token_endpoint_auth_methods_supported": methods + ["none"] * (self._mode == "open"),
                }
            ),
        )
