"""`/dev`: what people at a terminal use to see the requests and to order faults.

Only this machine may: the peer is on loopback, `Host` is not a name that a page could point here (DNS rebinding),
and orders are JSON by their content type, which no foreign page can send without asking first.
"""

import dataclasses

import msgspec
from aiohttp import web

from broker.devserver import wire
from broker.devserver.faults import NONE, Fault, Faults
from broker.devserver.journal import Journal

PATHS = {"/dev/faults": {"GET", "POST", "DELETE"}, "/dev/requests": {"GET"}}


class _Order(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True):
    skew: float | None = None


def is_welcome(peer: str | None, host: str) -> bool:
    """Whether a request to `/dev` comes from this machine and by a literal address or `localhost`."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return wire.is_loopback(peer or "") and wire.is_loopback(name)


async def answer(request: web.BaseRequest, faults: Faults, journal: Journal) -> web.Response:
    """Any request to one of `PATHS`, by one of its methods."""
    if request.path == "/dev/requests":
        return wire.as_json(
            {
                "total": journal.total,
                "repeated": journal.repeated,
                "most_at_once": journal.most_at_once,
                "outcomes": journal.outcomes,
                "crashes": journal.crashes,
                "requests": [dataclasses.asdict(seen) for seen in journal.requests],
            }
        )
    if request.method == "DELETE":
        faults.clear()
    if request.method == "POST" and (complaint := _order(request.content_type, await request.read(), faults)):
        return wire.as_json({"error": "invalid_request", "error_description": complaint}, 400)
    return wire.as_json({"skew": faults.skew, "faults": msgspec.to_builtins(faults.pending())})


def _order(content_type: str, body: bytes, faults: Faults) -> str | None:
    """Takes one order, or a list; a sentence when it is none."""
    if content_type != "application/json":
        return "Send the fault as JSON, with the header Content-Type: application/json (curl --json)."
    try:
        ordered: _Order | list[_Order] = msgspec.json.decode(body, type=_Order | list[_Order])
    except msgspec.MsgspecError as error:
        return f"That is no fault: {error}."
    for order in ordered if isinstance(ordered, list) else [ordered]:
        if order.skew is not None:
            faults.skew = order.skew
        fault = Fault(**{name: getattr(order, name) for name in Fault.__struct_fields__})
        if fault != NONE:
            faults.add(fault)
    return None
