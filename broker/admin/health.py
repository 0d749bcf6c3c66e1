"""Liveness, startup and readiness probes, computed on each request so that no result is stale."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from broker.core.diagnosis import Diagnosis
from broker.core.settings import TokenSettings
from broker.core.tokens import EXPIRED
from broker.providers.diagnose import STARTING
from broker.refresh.store import Store

#: Code of a usable token; other codes are `EXPIRED` and those in `diagnosis.REASONS`.
OK = "ok"


class TokenState(Struct, frozen=True, kw_only=True):
    """The health of one token."""

    name: str
    required: bool
    code: str
    #: Diagnosis of the last attempt; may be set while the current token is still usable.
    failure: Diagnosis | None

    def lines(self, *, details: bool) -> list[str]:
        """Name and codes; with `details` also cause, fix and the server's error message."""
        notes = [f"refresh fails: {self.failure.reason}"] if self.failure and self.code == OK else []
        notes += [] if self.required else ["not required"]
        lines = [f"{self.name}: {self.code}" + (f" ({', '.join(notes)})" if notes else "")]
        if details and self.failure:
            diagnosis = {"cause": self.failure.cause, "fix": self.failure.fix, "said": self.failure.words}
            lines += [f"  {title}: {text}" for title, text in diagnosis.items() if text]
        return lines


class ProbeResult(Struct, frozen=True, kw_only=True):
    """The result of a probe."""

    #: Answered with 200 if true, otherwise with 503.
    passed: bool
    summary: str
    tokens: tuple[TokenState, ...] = ()

    def text(self, *, details: bool) -> str:
        """The summary line, then the lines of each token."""
        return "\n".join([self.summary, *(line for token in self.tokens for line in token.lines(details=details)), ""])


class Health:
    """Computes the results of the probes.

    `failure`: returns the diagnosis of a token's last attempt, `None` after a success.
    `alive`: returns whether every loop task still runs.
    `startup_wait`: seconds from now after which `started` passes without every token; may be infinite.
    """

    def __init__(
        self,
        tokens: Mapping[str, TokenSettings],
        store: Store,
        *,
        failure: Callable[[str], Diagnosis | None],
        alive: Callable[[], bool],
        startup_wait: float,
        now: Callable[[], float],
    ) -> None:
        self._tokens = tokens
        self._store = store
        self._failure = failure
        self._alive = alive
        self._startup_ends = now() + startup_wait
        self._now = now

    def live(self) -> ProbeResult:
        """Fails only if a restart would help; the state of tokens and of the authorization server has no influence."""
        passed = self._alive()
        return ProbeResult(passed=passed, summary="alive" if passed else "a loop has ended; the log says why")

    def started(self) -> ProbeResult:
        """Passes once every required token was fetched or `startup_wait` is over, and does not fail again."""
        missing = tuple(
            self._state(name) for name, token in self._tokens.items() if token.required and not self._store.held(name)
        )
        if not missing:
            return ProbeResult(passed=True, summary="started")
        if self._now() >= self._startup_ends:
            return ProbeResult(
                passed=True, summary="started without every token: startup.wait has passed", tokens=missing
            )
        return ProbeResult(passed=False, summary="starting", tokens=missing)

    def ready(self) -> ProbeResult:
        """Passes while every required token is usable."""
        states = tuple(map(self._state, self._tokens))
        passed = all(state.code == OK for state in states if state.required)
        return ProbeResult(passed=passed, summary="ready" if passed else "not ready", tokens=states)

    def ready_token(self, name: str) -> ProbeResult | None:
        """Readiness of one token, required or not; `None` if it is not configured."""
        if name not in self._tokens:
            return None
        state = self._state(name)
        passed = state.code == OK
        return ProbeResult(passed=passed, summary="ready" if passed else "not ready", tokens=(state,))

    def _state(self, name: str) -> TokenState:
        failure = self._failure(name)
        if self._store.get(name):
            code = OK
        elif failure:
            code = failure.reason
        else:
            code = EXPIRED if self._store.held(name) else STARTING.reason
        return TokenState(name=name, required=self._tokens[name].required, code=code, failure=failure)
