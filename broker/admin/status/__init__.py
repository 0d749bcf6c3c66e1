"""The status page at `/` of the admin listener.

`history` records events, `snapshot` collects the current state, `html` and `text` render it with `words` and
`sentences`. All modules but `history` are imported on the first request, since most pods never get one.
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
    """What a snapshot is made from."""

    settings: Settings
    health: Health
    store: Store
    history: History
    #: By client, returns the state of its key files.
    keys: Mapping[str, Callable[[], Sequence[KeyState]]]
    #: By client, returns its token endpoint, `None` before discovery.
    endpoints: Mapping[str, Callable[[], str | None]]
    now: Callable[[], float]
    wall: Callable[[], float]
    #: Name of this machine.
    host: str


def answer(sources: Sources, accept: str, *, paths: str) -> web.Response:
    """The status page as HTML if `accept` names text/html, otherwise as plain text (curl sends `*/*`).

    `paths`: a sentence about the other paths, appended to the text.
    """
    from broker.admin.status import html, snapshot, text  # noqa: PLC0415 - most pods never get a request

    seen = snapshot.take(sources)
    if "text/html" in accept.lower():
        return web.Response(
            text=html.render(seen),
            content_type="text/html",
            headers={**HEADERS, "Content-Security-Policy": html.policy()},
        )
    return web.Response(text=f"{text.render(seen)}\n{paths}\n", headers=HEADERS)
