"""The keys of one entry of `private_keys` while it is being rotated."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from broker.core.signer import Signer

S = TypeVar("S", bound=Signer)


@dataclass(frozen=True)
class KeyRotation(Generic[S]):
    """The current key, and the previous one as a fallback until the server accepts the current one.

    If a third key arrives before that, the fallback is the proven key, or the latest previous one if none is proven.
    """

    current: S | None = None
    """The key in the files now."""
    replaced: S | None = None
    """The fallback."""
    proven: S | None = None
    """Whichever of the two the server accepted last."""

    @property
    def signers(self) -> tuple[S, ...]:
        """The keys to use, in order of preference."""
        return tuple(signer for signer in (self.current, self.replaced) if signer is not None)

    def replace(self, new: S) -> "KeyRotation[S]":
        """Return the rotation with `new` as the current key.

        A key that returns must be accepted again, since the server may have removed it meanwhile. The same key in
        another encoding is not new.
        """
        old = self.signers
        current = next((known for known in old if is_same_key(known, new)), new)
        if current is self.current:
            return self
        others = [known for known in old if known is not current]
        replaced = next((known for known in others if known is self.proven), next(iter(others), None))
        return KeyRotation(current, replaced, self.proven if self.proven in (current, replaced) else None)

    def accepted(self, signer: Signer) -> "KeyRotation[S]":
        """Return the rotation after the server accepted `signer`, which may belong to another entry or be retired."""
        if self.current is not None and is_same_key(signer, self.current):
            return KeyRotation(self.current, None, self.current)
        if self.replaced is not None and is_same_key(signer, self.replaced):
            # The fallback is tried last: the server has just rejected `current`, even if it accepted it before.
            return KeyRotation(self.current, self.replaced, self.replaced)
        return self


def is_same_key(one: Signer, other: Signer) -> bool:
    """Whether a server cannot distinguish the two: same public key, same `kid`, same `x5t`."""
    return one is other or (one.public_jwk, one.x5t) == (other.public_jwk, other.x5t)
