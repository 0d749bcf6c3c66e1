"""Which of a client's keys signs, and what is shown instead of a signature of ours."""

import re
from collections.abc import Callable, Collection, Mapping

from broker.core.errors import SecretFileError
from broker.core.signer import KeyRing, Signer
from broker.files.secret_files import read_secret

#: A refused key is tried first again after this many seconds: it may have been registered since, or the server may have
#: read it anew, and the key that is used in its place may only be left in our memory.
REFUSED_FOR = 3600.0
COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class KeyOrder:
    """The keys of `ring` in the order of their prospects: as preferred, those that the server refused behind.

    A key that was accepted is proven: a refusal that does not name the key is then about something else.
    """

    def __init__(self, ring: KeyRing, now: Callable[[], float]) -> None:
        self.ring = ring
        self.now = now
        self._refused: dict[Signer, float] = {}
        self._proven: set[Signer] = set()

    def preferred(self) -> Signer:
        """What ought to be used. Raises KeyFileError while there is no key."""
        return self.ring.signers()[0]

    def next(self, tried: Collection[Signer]) -> Signer | None:
        """The key to sign with, none of `tried`; `None` when all were. Raises KeyFileError while there is no key."""
        signers = self.ring.signers()
        late = self.now() - REFUSED_FOR
        self._refused = {signer: at for signer, at in self._refused.items() if signer in signers and at > late}
        self._proven.intersection_update(signers)
        hopeful = sorted(signers, key=lambda signer: signer in self._refused)
        return next((signer for signer in hopeful if signer not in tried), None)

    def is_proven(self, signer: Signer) -> bool:
        """Whether the server has accepted it."""
        return signer in self._proven

    def is_stand_in(self, signer: Signer) -> bool:
        """Whether it is used in the place of one that was refused."""
        return signer not in self._refused and bool(self._refused)

    def forget_refusals(self) -> None:
        """Somebody says that things have changed: the preferred key is tried first again."""
        self._refused.clear()

    def accepted(self, signer: Signer) -> None:
        """The server granted what was signed with it."""
        self._refused.pop(signer, None)
        self._proven.add(signer)
        self.ring.accepted(signer)

    def refused(self, signers: Mapping[Signer, object]) -> None:
        """The server refused these, and accepted another."""
        self._refused |= dict.fromkeys(signers, self.now())


async def read_assertion(file: str) -> str:
    """The assertion in `file`, which somebody else keeps fresh. Raises SecretFileError.

    Read for every request: kubelet replaces a projected token an hour after it made it, or earlier.
    """
    assertion = await read_secret(file)
    if not COMPACT.fullmatch(assertion):
        raise SecretFileError(f"{file} must hold one signed JWT (three parts with dots between) and nothing else")
    return assertion
