"""`/dev`: the HTTP interface for reading the journal and injecting faults.

Restricted to this machine: the peer must be on loopback and `Host` a loopback address or `localhost` (DNS rebinding).
Requests must have the content type `application/json`, which a foreign web page cannot send without a CORS preflight.
"""

import dataclasses

import msgspec
from aiohttp import web

from broker.devserver import wire
from broker.devserver.faults import NONE, Fault, Faults
from broker.devserver.journal import Journal
from broker.devserver.proofs import ProofVerifier

PATHS = {"/dev/faults": {"GET", "POST", "DELETE"}, "/dev/requests": {"GET"}}


class _Order(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True):
    skew: float | None = None
    new_nonce: bool = False
    nonce_required: bool | None = None
    api_nonce_required: bool | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """The state behind `/dev`: `proofs` of the token endpoint, `api_proofs` of the API."""

    faults: Faults
    journal: Journal
    proofs: ProofVerifier
    api_proofs: ProofVerifier

    def clear(self) -> None:
        """Restore Okta's behavior."""
        self.faults.clear()
        self.proofs.nonce_required, self.api_proofs.nonce_required = True, False

    def as_dict(self) -> dict[str, object]:
        """The current state, for the answer."""
        return {
            "skew": self.faults.skew,
            "nonce_required": self.proofs.nonce_required,
            "api_nonce_required": self.api_proofs.nonce_required,
            "faults": msgspec.to_builtins(self.faults.pending()),
        }

    def apply(self, order: _Order) -> None:
        """Apply the settings in `order` and add its fault, if any."""
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


def is_local(peer: str | None, host: str) -> bool:
    """Whether the peer is on loopback and `Host` is a loopback address or `localhost`."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return wire.is_loopback(peer or "") and wire.is_loopback(name)


async def answer(request: web.BaseRequest, controls: Controls) -> web.Response:
    """Answer a request to one of `PATHS` with an allowed method."""
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
    if request.method == "POST" and (complaint := _apply_orders(request.content_type, await request.read(), controls)):
        return wire.as_json({"error": "invalid_request", "error_description": complaint}, 400)
    return wire.as_json(controls.as_dict())


def _apply_orders(content_type: str, body: bytes, controls: Controls) -> str | None:
    """Apply the order or list of orders in `body`; return an error text if it is invalid."""
    if content_type != "application/json":
        return "Send the fault as JSON, with the header Content-Type: application/json (curl --json)."
    try:
        ordered: _Order | list[_Order] = msgspec.json.decode(body, type=_Order | list[_Order])
    except msgspec.MsgspecError as error:
        return f"That is no fault: {error}."
    for order in ordered if isinstance(ordered, list) else [ordered]:
        controls.apply(order)
    return None
