"""The paths of the workload API. No I/O."""

from typing import Final

from msgspec import Struct


class Route(Struct, frozen=True, eq=False):
    """A path of the workload API."""

    #: The value of the metrics label `route`.
    label: str
    methods: tuple[str, ...] = ()
    #: Whether its request duration is measured: routes that serve a token.
    timed: bool = False


TOKEN: Final = Route("/v1/tokens/{name}", ("GET", "HEAD"), timed=True)
DEFAULT: Final = Route("/v1/token", ("GET", "HEAD"), timed=True)
REJECTED: Final = Route("/v1/tokens/{name}/rejected", ("POST",))
PROOF: Final = Route("/v1/tokens/{name}/proof", ("POST",))
OAUTH: Final = Route("/oauth2/token", ("POST",), timed=True)
OAUTH_METADATA: Final = Route("/.well-known/oauth-authorization-server", ("GET", "HEAD"))
OTHER: Final = Route("other")

#: All values of the metrics label `route`.
ROUTES: Final = tuple(route.label for route in (TOKEN, DEFAULT, REJECTED, PROOF, OAUTH, OAUTH_METADATA, OTHER))

_FIXED: Final = {route.label: route for route in (DEFAULT, OAUTH, OAUTH_METADATA)}
_TOKENS: Final = "/v1/tokens/"
#: Routes by what follows the token name.
_BY_SUFFIX: Final = {"": TOKEN, "/rejected": REJECTED, "/proof": PROOF}


def match(path: str) -> tuple[Route, str]:
    """The route of a raw path, and the token name in it, or an empty string. Token names need no percent-decoding."""
    if path.startswith(_TOKENS):
        name, slash, rest = path.removeprefix(_TOKENS).partition("/")
        route = _BY_SUFFIX.get(slash + rest)
        return (route, name) if route else (OTHER, "")
    return _FIXED.get(path, OTHER), ""


def is_v1(path: str) -> bool:
    """Whether the rules for `/v1` paths apply; also true for `/v1` paths that do not exist."""
    return path == "/v1" or path.startswith("/v1/")
