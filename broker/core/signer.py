"""The seam behind which a private key lives: in a file today, in a KMS or a hardware module tomorrow."""

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Signer(Protocol):
    """One key that can sign, whatever holds its private half."""

    @property
    def kid(self) -> str | None:
        """What the server calls this key; `None` sends no `kid` (never an invented one)."""

    @property
    def algorithm(self) -> str:
        """JWS algorithm name (RFC 7518 section 3.1; `EdDSA` for RFC 8037)."""

    @property
    def public_jwk(self) -> dict[str, str]:
        """The public key as a JWK (RFC 7517) with `kid`, `use` and `alg`: no private member."""

    @property
    def x5t(self) -> str | None:
        """SHA-256 thumbprint of the key's certificate, base64url (`x5t#S256`, RFC 7515 section 4.1.8)."""

    @property
    def thumbprint(self) -> str:
        """SHA-256 JWK thumbprint (RFC 7638), base64url: what to compare with the server's console."""

    async def sign(self, make: Callable[Concatenate[Any, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `make(key, *args, **kwargs)`, where `key` signs in the form joserfc takes.

        Inline when signing is quick, in a thread when it would hold up the loop or leaves the process.
        """


class KeyRing(Protocol):
    """One client's keys in order of preference, which may change while the broker runs."""

    def signers(self) -> Sequence[Signer]:
        """The keys to use now, at least one. Raises `errors.KeyFileError` with a sentence while there is none.

        Right behind a key stands the one it replaced, until the new one was accepted.
        """

    def accepted(self, signer: Signer) -> None:
        """The server granted what was signed with `signer`."""
