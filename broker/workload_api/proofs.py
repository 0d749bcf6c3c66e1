"""`POST /v1/tokens/{name}/proof`: a DPoP token, and the proof for one request with it (RFC 9449 section 7).

The proof key never leaves the broker. A workload says which request it is about to send, and where the API's nonce
belongs; when it was made, its id and the token that it is for are the broker's to say.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec import Struct

from broker.core.proof_target import Place, is_same, place_of
from broker.core.tokens import Token
from broker.http_server import web
from broker.oauth.dpop import is_nonce, make_proof
from broker.workload_api.answers import Problem, success
from broker.workload_api.json_body import members_of
from broker.workload_api.tokens import Clock
from broker.workload_api.v1.query import invalid

#: Proofs of one token that are made in any second, at most: signing holds up everybody else.
PER_SECOND: Final = 100
#: RFC 9110 section 9.1: a token. None is longer than a few letters.
_METHOD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")

UNREADABLE: Final = invalid(
    'The body must be {"method": "GET", "url": "https://…"}, and may have "nonce", what the API said in DPoP-Nonce'
)
METHOD: Final = invalid("The member method must be the method of an HTTP request, such as GET")
URL: Final = invalid(
    "The member url must be the absolute https URL of the request as it is sent (http on loopback only): in ASCII, "
    "without user and password, and with no . or .. between the slashes of its path, encoded or not"
)
NONCE: Final = invalid("The member nonce must be what the API said in its header DPoP-Nonce")
BEARER: Final = invalid(
    'This is a Bearer token: send it in the header "Authorization: Bearer", without a proof. For tokens that need '
    "proofs, set dpop: true for its client in the broker's configuration"
)
TOO_MANY: Final = Problem(
    429,
    "slow_down",
    f"More than {PER_SECOND} proofs a second were asked for with this token.",
    headers={"Retry-After": "1"},
)
PROOF_AS_JSON: Final = Problem(406, "not_acceptable", "A proof comes as application/json.")


class Bound(Struct, frozen=True, kw_only=True):
    """What proofs with one token may say, by its client's configuration.

    `targets` are the origins that they may be for. `token_endpoint` tells where the client asks, `None` until that is
    known; `clock` the time to date proofs with, in epoch seconds.
    """

    client: str
    targets: tuple[str, ...]
    token_endpoint: Callable[[], str | None]
    clock: Clock


class Wanted(Struct, frozen=True):
    """The request that a proof is wanted for."""

    method: str
    place: Place
    nonce: str | None


def parse_wanted(body: bytes) -> Wanted | Problem:
    """The two members, perhaps the third, and nothing else."""
    match members_of(body):
        case {"method": str(method), "url": str(url), **other} if other.keys() <= {"nonce"}:
            nonce = other.get("nonce")
        case _:
            return UNREADABLE
    if not _METHOD.fullmatch(method):
        return METHOD
    place = place_of(url)
    if place is None:
        return URL
    if nonce is not None and not (isinstance(nonce, str) and is_nonce(nonce)):
        return NONCE
    return Wanted(method, place, nonce)


@dataclass(slots=True)
class Allowance:
    """When the last proofs of one token were made, in seconds. Arithmetic only.

    A bucket that fills while it is emptied would let twice as many pass in the first second.
    """

    made: deque[float] = field(default_factory=lambda: deque(maxlen=PER_SECOND))

    def take(self, now: float) -> bool:
        """Whether one may be made; then it is spent."""
        if len(self.made) == PER_SECOND and now - self.made[0] < 1.0:
            return False
        self.made.append(now)  # in the place of the oldest
        return True


class Proofs:
    """Makes proofs with the keys that the tokens are bound to. `bound` has the tokens whose clients use DPoP."""

    def __init__(self, bound: Mapping[str, Bound], *, now: Clock) -> None:
        self._bound = bound
        self._now = now
        self._origins = {
            name: frozenset(place.origin for target in one.targets if (place := place_of(target)))
            for name, one in bound.items()
        }
        self._allowances = {name: Allowance() for name in bound}

    async def answer(self, name: str, token: Token, wanted: Wanted) -> web.Response | Problem:
        """The token called `name` and a proof for `wanted`."""
        bound = self._bound.get(name)
        if bound is None or token.proof_key is None:
            return BEARER
        if problem := self._beyond(name, bound, wanted.place):
            return problem
        if not self._allowances[name].take(self._now()):
            return TOO_MANY
        proof = await token.proof_key.sign(
            make_proof,
            algorithm=token.proof_key.algorithm,
            public_jwk=token.proof_key.public_jwk,
            method=wanted.method,
            url=str(wanted.place),
            issued_at=bound.clock(),
            nonce=wanted.nonce,
            access_token=token.access_token,
        )
        said = {"access_token": token.access_token, "token_type": token.token_type, "proof": proof}
        return success("json", msgspec.json.encode(said))

    def _beyond(self, name: str, bound: Bound, place: Place) -> Problem | None:
        """Why there is no proof for `place`: one for the token endpoint would let others ask in the broker's name."""
        endpoint = bound.token_endpoint()
        if endpoint and is_same(place, endpoint):
            why = "A proof for the token endpoint is nobody's to have: only the broker asks there."
        elif place.origin not in self._origins[name]:
            targets = ", ".join(bound.targets) or "none"
            why = f"Proofs with {name} are for these origins: {targets}; clients.{bound.client}.dpop.targets has them."
        else:
            return None
        return Problem(403, "forbidden", why, reason="permission")
