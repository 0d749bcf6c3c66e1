"""Which keys one entry of `private_keys` signs with while it is being rotated."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from broker.core.signer import Signer

S = TypeVar("S", bound=Signer)


@dataclass(frozen=True)
class Slot(Generic[S]):
    """The key that the files hold now, and behind it the one it replaced, until the server has accepted the new one.

    `proven` is the one of the two that the server accepted last. While a new key is not accepted, another may come:
    then the key to fall back on is the proven one, and without any the last one before.
    """

    current: S | None = None
    replaced: S | None = None
    proven: S | None = None

    @property
    def signers(self) -> tuple[S, ...]:
        """The keys to use, in order of preference."""
        return tuple(signer for signer in (self.current, self.replaced) if signer is not None)

    def swapped(self, new: S) -> "Slot[S]":
        """After `new` was read.

        A key that came back has to be accepted once more, for it may have been removed at the server meanwhile; one
        that was only written down in another way is not new.
        """
        old = self.signers
        current = next((known for known in old if is_same(known, new)), new)
        if current is self.current:
            return self
        others = [known for known in old if known is not current]
        replaced = next((known for known in others if known is self.proven), next(iter(others), None))
        return Slot(current, replaced, self.proven if self.proven in (current, replaced) else None)

    def accepted(self, signer: Signer) -> "Slot[S]":
        """After the server granted something to `signer`, which may be of another entry, or gone by now."""
        if self.current is not None and is_same(signer, self.current):
            return Slot(self.current, None, self.current)
        if self.replaced is not None and is_same(signer, self.replaced):
            # It is tried after `current`, so the server has refused that, even if it accepted it before.
            return Slot(self.current, self.replaced, self.replaced)
        return self


def is_same(one: Signer, other: Signer) -> bool:
    """Whether a server can tell no difference: the same key, called the same."""
    return one is other or (one.public_jwk, one.x5t) == (other.public_jwk, other.x5t)
