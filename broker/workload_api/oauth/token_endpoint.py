"""`POST /oauth2/token` and its metadata: for OAuth 2.0 clients as they are (RFC 6749 section 4.4, RFC 8414)."""

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
#: Parameters a form may have; clients send five.
MOST_PARAMETERS = 64
#: Stands for credentials of a kind that no caller has.
NOBODYS = ""

# The descriptions keep to what RFC 6749 section 5.2 lets one hold: no quotation mark, no backslash.
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
class Asked:
    """A token request, well-formed. `client_id` and `secret` are as they were sent; `secrets` how they may be meant."""

    client_id: str | None
    secrets: tuple[str, ...] = field(repr=False)
    grant_type: str | None
    scopes: frozenset[str]
    resources: frozenset[str]
    audience: str | None


def read(head: Head, body: bytes) -> Asked | Problem:
    """What the request asks for, or what is malformed about it."""
    types = head.values("content-type")
    if len(types) != 1 or types[0].partition(";")[0].strip().lower() != FORM:
        return NOT_A_FORM
    try:
        pairs = parse_qsl(
            body.decode("ascii"), encoding="utf-8", errors="strict", max_num_fields=MOST_PARAMETERS
        )  # one without a value counts as left out (RFC 6749 section 3.2)
    except ValueError:
        return NOT_A_FORM
    parameters = dict(pairs)
    resources = [value for name, value in pairs if name == "resource"]  # may be repeated (RFC 8707 section 2)
    if len(pairs) - len(resources) != len(parameters.keys() - {"resource"}):
        return TWICE
    credentials = _credentials(head, parameters)
    if isinstance(credentials, Problem):
        return credentials
    client_id, secrets = credentials
    return Asked(
        client_id=client_id,
        secrets=secrets,
        grant_type=parameters.get("grant_type"),
        scopes=frozenset(parameters.get("scope", "").split()),
        resources=frozenset(resources),
        audience=parameters.get("audience"),
    )


def _credentials(head: Head, parameters: Mapping[str, str]) -> tuple[str | None, tuple[str, ...]] | Problem:
    """The client's name and secret, by Basic or in the form (RFC 6749 section 2.3.1).

    An assertion, or another scheme than Basic, is like a wrong secret.
    """
    headers = head.values("authorization")
    in_form = [name for name in ("client_secret", "client_assertion") if name in parameters]
    if len(headers) + len(in_form) > 1:
        return TWO_CREDENTIALS
    client_id = parameters.get("client_id")
    if not headers:
        return client_id, tuple(parameters.get("client_secret", NOBODYS) for _ in in_form)
    scheme, _, text = headers[0].partition(" ")
    try:
        user, colon, secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except ValueError:  # no Base64, no UTF-8, or not even ASCII
        return client_id, (NOBODYS,)
    if scheme.lower() != "basic" or not colon:
        return client_id, (NOBODYS,)
    if client_id is not None and client_id not in (user, unquote_plus(user)):
        return TWO_CREDENTIALS
    # The RFC wants both encoded as in a form; many clients do not.
    return client_id or unquote_plus(user) or None, tuple(dict.fromkeys((secret, unquote_plus(secret))))


class TokenEndpoint:
    """The face of the hand-out that speaks OAuth. `Handout` has judged the head by then, but for `head.forwarded`.

    `mode` is `api.token_endpoint` (`off` never comes here). It tells `observe` HandedOut and Refused itself.
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
        """The answer to a POST with this whole body; `uid` is the peer's on a Unix socket."""
        asked = read(head, body)
        if isinstance(asked, Problem):
            return failure("json", asked)
        caller = self._authenticate(asked, uid)
        if isinstance(caller, Problem):
            self._observe(Refused(reason="caller"))
            return failure("json", caller)
        if head.forwarded and not self._proves(asked):
            refusal = FORWARDED[head.forwarded]
            self._observe(Refused(reason=refusal.reason))
            return failure("json", Problem(refusal.status, refusal.error, refusal.description))
        found = await self._find(asked, caller)
        if isinstance(found, Problem):
            return failure("json", found)
        name, token = found
        self._observe(HandedOut(token=name, caller=caller))
        answer = success("json", self._tokens.encode("json", token))
        answer.headers["Pragma"] = "no-cache"  # RFC 6749 section 5.1
        return answer

    def _proves(self, asked: Asked) -> bool:
        """Whether a caller's secret came with it: then a proxy on the way (Envoy adds X-Forwarded-For) does no harm."""
        return any(self._callers.by_secret(secret) for secret in asked.secrets)

    def _authenticate(self, asked: Asked, uid: int | None) -> str | Problem:
        """Who asks. A token that does not exist looks like a wrong secret: `client_id` is what names it."""
        name = asked.client_id or self._tokens.default
        caller = self._caller(asked, uid)
        if name is None or name not in self._tokens or isinstance(caller, Denied):
            return INVALID_CLIENT
        if self._mode == "callers" and not self._proves(asked):
            return INVALID_CLIENT
        denied = self._callers.permits(name, caller)
        return INVALID_CLIENT if denied and denied.authenticate else caller

    def _caller(self, asked: Asked, uid: int | None) -> str | Denied:
        """Whoever has one of the ways the secret may be meant."""
        callers = [self._callers.identify(secret, uid) for secret in asked.secrets or (None,)]
        return next((caller for caller in callers if isinstance(caller, str)), callers[0])

    async def _find(self, asked: Asked, caller: str) -> tuple[str, Token] | Problem:
        """The token, for a caller who may know of it."""
        name = asked.client_id or self._tokens.default or ""
        if self._callers.permits(name, caller):
            self._observe(Refused(reason="permission"))
            return UNAUTHORIZED
        if asked.grant_type != "client_credentials":
            return WRONG_GRANT if asked.grant_type else NO_GRANT
        settings = self._settings[name]
        if not asked.resources <= set(settings.resource) or asked.audience not in (None, settings.audience):
            return WRONG_TARGET
        token = await self._tokens.obtain(name)
        if isinstance(token, Problem):
            return token
        if token.token_type != "Bearer":  # noqa: S105 - no password
            return NOT_BEARER
        return (name, token) if asked.scopes <= set(token.scope.split()) else WRONG_SCOPE

    def metadata(self, host: str | None) -> web.Response:
        """The document (RFC 8414 section 3.2) for who asked by the accepted Host `host`; `None` on a Unix socket."""
        issuer = f"http://{host or 'localhost'}"
        methods = ["client_secret_basic", "client_secret_post"]
        return success(
            "json",
            msgspec.json.encode(
                {
                    "issuer": issuer,
                    "token_endpoint": issuer + OAUTH.label,
                    "grant_types_supported": ["client_credentials"],
                    "response_types_supported": [],  # required, and there is no authorization endpoint
                    "token_endpoint_auth_methods_supported": methods + ["none"] * (self._mode == "open"),
                }
            ),
        )
