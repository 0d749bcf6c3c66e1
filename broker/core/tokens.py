"""The token that flows through the broker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from broker.core.signer import Signer

#: A token this close to its expiry, in seconds, is not worth handing out: it would die on its way to the API.
LAST_SECONDS = 5.0
#: Why there is no token when one ran out and no attempt to replace it has failed yet: the machine was asleep.
EXPIRED = "expired"
#: Of a short-lived token only this share of the lifetime is given up instead.
LAST_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One access token as granted by the authorization server (RFC 6749 section 5.1)."""

    access_token: str = field(repr=False)
    token_type: Literal["Bearer", "DPoP"]
    scope: str
    #: Boot-time clock before the request was sent, in seconds: a slow response never extends the lifetime.
    issued_at: float
    #: `expires_in`, at least one second.
    lifetime: float
    refresh_in: float | None = None
    #: Key that a DPoP token is bound to (RFC 9449 section 5).
    proof_key: Signer | None = field(default=None, repr=False)
    #: Additional members of the token response.
    extra: Mapping[str, object] = field(default_factory=dict, repr=False)
    #: Sentences about oddities in the response that were accepted.
    remarks: tuple[str, ...] = ()

    @property
    def expires_at(self) -> float:
        """When the server stops accepting it, on the clock of `issued_at`."""
        return self.issued_at + self.lifetime

    @property
    def usable_until(self) -> float:
        """Time from which the token counts as expired, a safety margin before `expires_at`."""
        return self.expires_at - min(LAST_SECONDS, LAST_SHARE * self.lifetime)
