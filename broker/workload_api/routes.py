"""The paths of the workload API. No I/O."""

from typing import Final

from msgspec import Struct


class Route(Struct, frozen=True, eq=False):
    """`label` is what metrics call it, `methods` what it takes; `timed` where a token is handed out."""

    label: str
    methods: tuple[str, ...] = ()
    timed: bool = False


TOKEN: Final = Route("/v1/tokens/{name}", ("GET", "HEAD"), timed=True)
DEFAULT: Final = Route("/v1/token", ("GET", "HEAD"), timed=True)
REJECTED: Final = Route("/v1/tokens/{name}/rejected", ("POST",))
PROOF: Final = Route("/v1/tokens/{name}/proof", ("POST",))
OAUTH: Final = Route("/oauth2/token", ("POST",), timed=True)
OAUTH_METADATA: Final = Route("/.well-known/oauth-authorization-server", ("GET", "HEAD"))
OTHER: Final = Route("other")

#: The label `route` of the metrics, every one there is.
ROUTES: Final = tuple(route.label for route in (TOKEN, DEFAULT, REJECTED, PROOF, OAUTH, OAUTH_METADATA, OTHER))

_FIXED: Final = {route.label: route for route in (DEFAULT, OAUTH, OAUTH_METADATA)}
_TOKENS: Final = "/v1/tokens/"
#: What may follow a name.
_OF_A_NAME: Final = {"": TOKEN, "/rejected": REJECTED, "/proof": PROOF}


def match(path: str) -> tuple[Route, str]:
    """The route of a path as it was sent (no name needs decoding), and the name in it, if there is one."""
    if path.startswith(_TOKENS):
        name, slash, rest = path.removeprefix(_TOKENS).partition("/")
        route = _OF_A_NAME.get(slash + rest)
        return (route, name) if route else (OTHER, "")
    return _FIXED.get(path, OTHER), ""


def is_v1(path: str) -> bool:
    """Whether the rules of the `/v1` paths hold, also where there is no such path."""
    return path == "/v1" or path.startswith("/v1/")
