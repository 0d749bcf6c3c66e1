"""The paths of the admin listener. They need no authentication: no secrets, and details only for trusted peers."""

import json
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from broker.admin import status
from broker.admin.health import ProbeResult
from broker.core.events import Observer, Refused, Served
from broker.http_server import over_unix, web
from broker.http_server.request_rules import forwarding_field, host_permitted, is_path

#: All values of the metrics label `route`.
ROUTES = (
    "/",
    "/livez",
    "/startupz",
    "/readyz",
    "/readyz/{name}",
    "/metrics",
    "/clients/{name}/jwks.json",
    "other",
)

PATHS_HELP = "The admin listener has: " + " ".join(ROUTES[1:-1])
TARGET = "The request line must hold a path, not a URL; exempt the broker from the HTTP proxy (NO_PROXY)."
HOST = (
    "There must be one Host header, with localhost or an IP address. To be reached by another name, add that name to "
    "api.allowed_hosts in the broker's configuration."
)
STATUS = (
    "This page is for loopback peers that come through no proxy, which `kubectl port-forward` makes of you; "
    "admin.status in the broker's configuration says who else may read it."
)
NO_KEY = "No key of this client is loaded; the event key_refused in the broker's log says why."

#: Seconds for which an authorization server may cache the public keys; short, so that it soon sees a new key.
JWKS_MAX_AGE = 60


class Admin:
    """Serves probes, metrics, public keys and the status page.

    `public_jwks`: by client, returns its public keys as a JWK Set (RFC 7517 section 5).
    """

    def __init__(
        self,
        sources: status.Sources,
        *,
        registry: CollectorRegistry,
        public_jwks: Mapping[str, Callable[[], dict[str, Any]]],
        observe: Observer,
    ) -> None:
        settings = sources.settings
        self._sources = sources
        self._status = settings.admin.status
        self._allowed_hosts = frozenset(name.lower() for name in settings.api.allowed_hosts)
        self._health = sources.health
        self._registry = registry
        self._public_jwks = public_jwks
        self._observe = observe

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request and emit Served, without the duration, which kubelet and Prometheus measure."""
        segments = request.raw_path.partition("?")[0].split("/")[1:]
        route, code = _route(segments), 500
        try:
            answer = self._answer(request, route, segments)
            code = answer.status
        finally:
            self._observe(Served(route=route, code=code, seconds=None))
        answer.headers.setdefault("Cache-Control", "no-store")
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    def _answer(self, request: web.BaseRequest, route: str, segments: list[str]) -> web.StreamResponse:
        if refused := self._refuse(request, route):
            return refused
        answer: web.StreamResponse
        match route:
            case "/livez":
                answer = self._probe_response(request, self._health.live())
            case "/startupz":
                answer = self._probe_response(request, self._health.started())
            case "/readyz":
                answer = self._probe_response(request, self._health.ready())
            case "/readyz/{name}":
                result = self._health.ready_token(segments[1])
                answer = self._probe_response(request, result) if result else _text(404, "There is no such token.")
            case "/metrics":
                answer = self._exposition(request)
            case "/clients/{name}/jwks.json":
                answer = self._jwks(segments[1])
            case _:
                answer = self._page(request) if self._may_see_details(request) else _text(403, STATUS)
        return answer

    def _refuse(self, request: web.BaseRequest, route: str) -> web.Response | None:
        if not is_path(request.raw_path):
            self._observe(Refused(reason="target"))
            return _text(403, TARGET)
        # Against DNS rebinding by a web page.
        hosts = request.headers.getall("Host", [])
        if not over_unix(request) and not host_permitted(hosts, allowed=self._allowed_hosts, any_address=True):
            self._observe(Refused(reason="host"))
            return _text(403, HOST)
        if route == "other":
            return _text(404, PATHS_HELP)
        if request.method not in ("GET", "HEAD"):
            return _text(405, "Everything here is read with GET.", Allow="GET, HEAD")
        return None

    def _exposition(self, request: web.BaseRequest) -> web.Response:
        """The metrics, uncompressed, since they are small; `name[]` selects families as in other exporters.

        prometheus_client.aiohttp is not used because it imports all of aiohttp.web.
        """
        names = request.query.getall("name[]", [])
        registry = self._registry.restricted_registry(names) if names else self._registry
        try:
            encode, content_type = choose_encoder(",".join(request.headers.getall("Accept", [])))
            body = encode(registry)
        except TypeError:  # raised by prometheus_client for a malformed version in `Accept`
            return _text(406, "Metrics come as text/plain; version=0.0.4 and application/openmetrics-text.")
        return web.Response(body=body, headers={"Content-Type": content_type})

    def _page(self, request: web.BaseRequest) -> web.Response:
        return status.answer(self._sources, ", ".join(request.headers.getall("Accept", [])), paths=PATHS_HELP)

    def _probe_response(self, request: web.BaseRequest, result: ProbeResult) -> web.Response:
        return _text(200 if result.passed else 503, result.text(details=self._may_see_details(request)))

    def _jwks(self, client: str) -> web.Response:
        if client not in self._public_jwks:
            return _text(404, "There is no such client.")
        jwks = self._public_jwks[client]()
        if not jwks["keys"]:
            return _text(503, NO_KEY)
        return web.Response(
            body=json.dumps(jwks).encode(),
            content_type="application/jwk-set+json",
            headers={"Cache-Control": f"public, max-age={JWKS_MAX_AGE}"},
        )

    def _may_see_details(self, request: web.BaseRequest) -> bool:
        """Whether this peer may read the status page and the details of failures."""
        if self._status != "loopback":
            return self._status == "any"
        # Behind a proxy in the pod (service mesh) every peer looks local.
        if forwarding_field(request.headers) or any(name.lower().startswith("x-envoy-") for name in request.headers):
            return False
        return over_unix(request) or _is_usual_loopback(request.remote or "")


def _route(segments: list[str]) -> str:
    match segments:
        case ["readyz", _]:
            return "/readyz/{name}"
        case ["clients", _, "jwks.json"]:
            return "/clients/{name}/jwks.json"
        case ["" | "livez" | "startupz" | "readyz" | "metrics" as page]:
            return f"/{page}"
        case _:
            return "other"


def _is_usual_loopback(peer: str) -> bool:
    """Whether the peer is 127.0.0.1 or ::1, as with `kubectl port-forward`.

    The rest of 127.0.0.0/8 is not trusted: Istio's proxy forwards requests of any origin from 127.0.0.6.
    """
    address = ip_address(peer)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # an IPv4 peer of a dual-stack socket
        address = address.ipv4_mapped
    return str(address) in ("127.0.0.1", "::1")


def _text(status: int, text: str, **headers: str) -> web.Response:
    return web.Response(status=status, text=text.rstrip("\n") + "\n", headers=headers)
