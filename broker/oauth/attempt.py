"""What one token request has come to so far."""

from dataclasses import dataclass, field

from broker.core.errors import RefusalError
from broker.core.signer import Signer
from broker.http_client.transport import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One POST and what came back.

    `signer` is `None` where an assertion file was shown; `correction` is by how much its times were corrected. `nonce`
    is what the proof had, `next_nonce` what one would have now.
    """

    reply: Reply
    assertion: str = field(repr=False)
    signer: Signer | None
    proof_key: Signer | None
    correction: float
    nonce: str | None
    next_nonce: str | None


@dataclass(slots=True)
class Tried:
    """The keys that were refused, and the remedies that are used up."""

    keys: dict[Signer, RefusalError] = field(default_factory=dict)
    remedies: set[object] = field(default_factory=set)

    def once(self, remedy: object) -> bool:
        """Whether `remedy` is tried for the first time."""
        first = remedy not in self.remedies
        self.remedies.add(remedy)
        return first
