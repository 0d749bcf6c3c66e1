"""The key that a client's DPoP tokens are bound to (RFC 9449), and the nonces of who wants to see it."""

import asyncio
from collections.abc import Callable

from broker.core.settings import Dpop
from broker.core.signer import Signer
from broker.http_client.transport import Reply
from broker.keys.generate import proof_signer
from broker.oauth.dpop import Nonces, make_proof

#: Seconds until a proof key gives way to a new one, at the next request: nobody has to rotate what is never written.
MAX_AGE = 86400.0


class Binding:
    """The proof key of one client. Tokens keep the key that they were bound to, whatever comes after it."""

    def __init__(self, dpop: Dpop, now: Callable[[], float]) -> None:
        self.dpop = dpop
        self.now = now
        self.nonces = Nonces()
        self._key: Signer | None = None
        self._made_at = 0.0
        self._making = asyncio.Lock()

    async def key(self) -> Signer:
        """The key to ask for a token with."""
        async with self._making:
            if self._key is None or self.now() - self._made_at >= MAX_AGE:
                # In a thread: an RSA key takes a fraction of a second.
                self._key = await asyncio.to_thread(proof_signer, self.dpop.algorithm)
                self._made_at = self.now()
            return self._key

    async def proof(self, key: Signer, url: str, *, nonce: str | None, issued_at: float) -> str:
        """A proof for one POST to `url`."""
        return await key.sign(
            make_proof,
            algorithm=key.algorithm,
            public_jwk=key.public_jwk,
            method="POST",
            url=url,
            issued_at=issued_at,
            nonce=nonce,
        )

    def learn(self, url: str, reply: Reply) -> None:
        """Keep the nonce of an answer, granted or refused (RFC 9449 section 8.2)."""
        if nonce := reply.headers.get("DPoP-Nonce"):
            self.nonces.put(url, nonce)
