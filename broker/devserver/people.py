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
from broker.devserver.proofs import Proofs

PATHS = {"/dev/faults": {"GET", "POST", "DELETE"}, "/dev/requests": {"GET"}}


class _Order(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True):
    skew: float | None = None
    new_nonce: bool = False
    nonce_required: bool | None = None
    api_nonce_required: bool | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What there is to turn and to look at; `proofs` are those at the token endpoint, `api_proofs` those at the API."""

    faults: Faults
    journal: Journal
    proofs: Proofs
    api_proofs: Proofs

    def clear(self) -> None:
        """As Okta behaves."""
        self.faults.clear()
        self.proofs.nonce_required, self.api_proofs.nonce_required = True, False

    def shown(self) -> dict[str, object]:
        """What is set."""
        return {
            "skew": self.faults.skew,
            "nonce_required": self.proofs.nonce_required,
            "api_nonce_required": self.api_proofs.nonce_required,
            "faults": msgspec.to_builtins(self.faults.pending()),
        }

    def take(self, order: _Order) -> None:
        """Do as `order` says."""
        if order.skew is not None:
            self.faults.skew = order.skew
        if order.nonce_required is not None:
            self.proofs.nonce_required = order.nonce_required
        if order.api_nonce_required is not None:
            self.api_proofs.nonce_required = order.api_nonce_required
        if order.new_nonce:
            self.proofs.renew_nonce()
            self.api_proofs.renew_nonce()
        fault = Fault(**{name: getattr(order, name) for name in Fault.__struct_fields__})
        if fault != NONE:
            self.faults.add(fault)


def is_welcome(peer: str | None, host: str) -> bool:
    """Whether a request to `/dev` comes from this machine and by a literal address or `localhost`."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return wire.is_loopback(peer or "") and wire.is_loopback(name)


async def answer(request: web.BaseRequest, controls: Controls) -> web.Response:
    """Any request to one of `PATHS`, by one of its methods."""
    journal = controls.journal
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
        controls.clear()
    if request.method == "POST" and (complaint := _order(request.content_type, await request.read(), controls)):
        return wire.as_json({"error": "invalid_request", "error_description": complaint}, 400)
    return wire.as_json(controls.shown())


def _order(content_type: str, body: bytes, controls: Controls) -> str | None:
    """Takes one order, or a list; a sentence when it is none."""
    if content_type != "application/json":
        return "Send the fault as JSON, with the header Content-Type: application/json (curl --json)."
    try:
        ordered: _Order | list[_Order] = msgspec.json.decode(body, type=_Order | list[_Order])
    except msgspec.MsgspecError as error:
        return f"That is no fault: {error}."
    for order in ordered if isinstance(ordered, list) else [ordered]:
        controls.take(order)
    return None
