"""What people see at `/` of the admin listener.

`history` remembers what happened, `snapshot` says how things stand, `html` and `text` write it down, in the words of
`words` and `sentences`. All but `history` is imported when somebody asks for the first time: most pods are never asked.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from broker.admin.health import Health
from broker.admin.status.history import History
from broker.core.settings import Settings
from broker.http_server import web
from broker.keys.watch import KeyState
from broker.refresh.store import Store

HEADERS = {
    "Vary": "Accept",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Sources(Struct, frozen=True, kw_only=True):
    """Where a snapshot comes from. `keys` and `endpoints` have a callable for each client; `host` is this machine."""

    settings: Settings
    health: Health
    store: Store
    history: History
    keys: Mapping[str, Callable[[], Sequence[KeyState]]]
    endpoints: Mapping[str, Callable[[], str | None]]
    now: Callable[[], float]
    wall: Callable[[], float]
    host: str


def answer(sources: Sources, accept: str, *, paths: str) -> web.Response:
    """The page for a browser, which says that it reads HTML, and text for everything else (curl sends `*/*`).

    `paths` is a sentence about the other paths, for the end of the text.
    """
    from broker.admin.status import html, snapshot, text  # noqa: PLC0415 - most pods are never asked

    seen = snapshot.take(sources)
    if "text/html" in accept.lower():
        return web.Response(
            text=html.render(seen),
            content_type="text/html",
            headers={**HEADERS, "Content-Security-Policy": html.policy()},
        )
    return web.Response(text=f"{text.render(seen)}\n{paths}\n", headers=HEADERS)
