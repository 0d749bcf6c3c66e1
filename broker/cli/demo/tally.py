"""What has happened so far, counted. No I/O and no clock."""

from dataclasses import dataclass, field

from broker.core.events import Refreshed, RefreshFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API by the workload, as it tells it.

    `token` is the fingerprint of what the broker handed out and `left` its `expires_in`, `None` when there was none.
    `miss` is why the API did not answer 200.
    """

    token: str | None
    left: int | None
    miss: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What there is to see at one moment; times are seconds. `replaced_at` is how much will be left then."""

    number: int
    left: float
    lifetime: float
    replaced_at: float
    calls: int
    misses: int
    refreshes: int
    failed: int
    trouble: str
    elapsed: float
    seconds: float


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts. Times are of the boot-time clock."""

    calls: int = 0
    misses: int = 0
    first_miss: str = ""
    shortest: int | None = None
    fingerprints: set[str] = field(default_factory=set)
    fetched: int = 0
    failed: int = 0
    token: Refreshed | None = None
    failure: RefreshFailed | None = None
    failing_since: float | None = None
    misses_before: int = 0
    longest_outage: float = 0.0
    crashes: int = 0

    @property
    def refreshes(self) -> int:
        """Tokens that replaced another."""
        return max(0, self.fetched - 1)

    def called(self, call: Call) -> None:
        """The workload has called the API."""
        self.calls += 1
        if call.token is not None:
            self.fingerprints.add(call.token)
        if call.left is not None:
            self.shortest = call.left if self.shortest is None else min(self.shortest, call.left)
        if call.miss is not None:
            self.misses += 1
            self.first_miss = self.first_miss or call.miss

    def refreshed(self, token: Refreshed, now: float) -> None:
        """A new token is there."""
        self.fetched += 1
        self.token = token
        if self.failing_since is not None:
            self.longest_outage = max(self.longest_outage, now - self.failing_since)
        self.failure, self.failing_since = None, None

    def refresh_failed(self, failure: RefreshFailed, now: float) -> None:
        """An attempt to get a new token failed."""
        self.failed += 1
        self.failure = failure
        if self.failing_since is None:
            self.failing_since, self.misses_before = now, self.misses

    def scene(self, now: float, *, elapsed: float, seconds: float) -> Scene:
        """All of it, for a picture."""
        token = self.token
        trouble = ""
        if self.failure:
            wait = max(0.0, self.failure.retry_at - now)
            trouble = f"{self.failure.diagnosis.reason}; asked again in {wait:.1f} s"
        return Scene(
            number=self.fetched,
            left=max(0.0, token.expires_at - now) if token else 0.0,
            lifetime=token.lifetime if token else 1.0,
            replaced_at=token.expires_at - token.next_refresh_at if token else 0.0,
            calls=self.calls,
            misses=self.misses,
            refreshes=self.refreshes,
            failed=self.failed,
            trouble=trouble,
            elapsed=elapsed,
            seconds=seconds,
        )
