"""`POST /v1/tokens/{name}/proof`: a DPoP token, and the proof for one request with it (RFC 9449 section 7).

The proof key never leaves the broker. The workload provides method, URL and the API's nonce; the broker sets `iat`,
`jti` and `ath`.
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

#: Most proofs per token and second: signing takes CPU time from all other requests.
PER_SECOND: Final = 100
#: A method is a token (RFC 9110 section 9.1); 32 characters exceed every registered one.
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


class ProofPolicy(Struct, frozen=True, kw_only=True):
    """Which proofs may be made with one token, from its client's configuration."""

    client: str
    #: Origins that proofs may be made for.
    targets: tuple[str, ...]
    #: Returns the client's token endpoint, `None` before discovery.
    token_endpoint: Callable[[], str | None]
    #: Returns the time for `iat`, in epoch seconds.
    clock: Clock


class ProofRequest(Struct, frozen=True):
    """The HTTP request to make a proof for."""

    method: str
    place: Place
    nonce: str | None


def parse_proof_request(body: bytes) -> ProofRequest | Problem:
    """Parse a JSON object with `method`, `url` and optionally `nonce`; other members are rejected."""
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
    return ProofRequest(method, place, nonce)


@dataclass(slots=True)
class Allowance:
    """Sliding-window rate limit for the proofs of one token. No I/O.

    A token bucket would permit up to twice the rate in its first second.
    """

    #: Times of the latest proofs, in seconds.
    made: deque[float] = field(default_factory=lambda: deque(maxlen=PER_SECOND))

    def take(self, now: float) -> bool:
        """Use one proof of the allowance at `now` (seconds). Returns False if none is left."""
        if len(self.made) == PER_SECOND and now - self.made[0] < 1.0:
            return False
        self.made.append(now)  # maxlen drops the oldest
        return True


class Proofs:
    """Makes DPoP proofs with the keys that tokens are bound to.

    `policies`: by token name, for tokens of clients that use DPoP.
    """

    def __init__(self, policies: Mapping[str, ProofPolicy], *, now: Clock) -> None:
        self._policies = policies
        self._now = now
        self._origins = {
            name: frozenset(place.origin for target in policy.targets if (place := place_of(target)))
            for name, policy in policies.items()
        }
        self._allowances = {name: Allowance() for name in policies}

    async def answer(self, name: str, token: Token, request: ProofRequest) -> web.Response | Problem:
        """The response with the token called `name` and a proof for `request`, or the error to answer."""
        policy = self._policies.get(name)
        if policy is None or token.proof_key is None:
            return BEARER
        if problem := self._forbidden_target(name, policy, request.place):
            return problem
        if not self._allowances[name].take(self._now()):
            return TOO_MANY
        proof = await token.proof_key.sign(
            make_proof,
            algorithm=token.proof_key.algorithm,
            public_jwk=token.proof_key.public_jwk,
            method=request.method,
            url=str(request.place),
            issued_at=policy.clock(),
            nonce=request.nonce,
            access_token=token.access_token,
        )
        members = {"access_token": token.access_token, "token_type": token.token_type, "proof": proof}
        return success("json", msgspec.json.encode(members))

    def _forbidden_target(self, name: str, policy: ProofPolicy, place: Place) -> Problem | None:
        """The error if no proof may be made for `place`: a foreign origin, or the token endpoint.

        With a proof for the token endpoint, a workload could send token requests as the broker.
        """
        endpoint = policy.token_endpoint()
        if endpoint and is_same(place, endpoint):
            why = "A proof for the token endpoint is nobody's to have: only the broker asks there."
        elif place.origin not in self._origins[name]:
            targets = ", ".join(policy.targets) or "none"
            why = f"Proofs with {name} are for these origins: {targets}; clients.{policy.client}.dpop.targets has them."
        else:
            return None
        return Problem(403, "forbidden", why, reason="permission")
