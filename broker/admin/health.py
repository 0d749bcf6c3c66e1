"""Is it alive, has it started, is it ready? Computed when asked, so that no answer can go stale."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from broker.core.diagnosis import Diagnosis
from broker.core.settings import TokenSettings
from broker.core.tokens import EXPIRED
from broker.providers.diagnose import STARTING
from broker.refresh.store import Store

#: A token's code when it could be handed out now; otherwise `EXPIRED`, or one of `diagnosis.REASONS`.
OK = "ok"


class TokenState(Struct, frozen=True, kw_only=True):
    """How one token stands. `failure` is the last attempt's, also while the token before it is still good."""

    name: str
    required: bool
    code: str
    failure: Diagnosis | None

    def lines(self, *, details: bool) -> list[str]:
        """Name and closed codes for everyone; with `details` also cause, fix and the server's words."""
        remarks = [f"refresh fails: {self.failure.reason}"] if self.failure and self.code == OK else []
        remarks += [] if self.required else ["not required"]
        lines = [f"{self.name}: {self.code}" + (f" ({', '.join(remarks)})" if remarks else "")]
        if details and self.failure:
            said = {"cause": self.failure.cause, "fix": self.failure.fix, "said": self.failure.words}
            lines += [f"  {title}: {text}" for title, text in said.items() if text]
        return lines


class Verdict(Struct, frozen=True, kw_only=True):
    """The answer to a probe: `good` is 200, otherwise 503."""

    good: bool
    summary: str
    tokens: tuple[TokenState, ...] = ()

    def text(self, *, details: bool) -> str:
        """A first line that says it all, then the tokens."""
        return "\n".join([self.summary, *(line for token in self.tokens for line in token.lines(details=details)), ""])


class Health:
    """What the probes ask.

    `failure(name)` is the diagnosis of the token's last attempt, `None` after a success; `alive` says whether every
    loop task still runs; `startup_wait` is counted in seconds from here on, and may be infinite.
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

    def live(self) -> Verdict:
        """Whether a restart would help: never a matter of the authorization server or of a token's age."""
        good = self._alive()
        return Verdict(good=good, summary="alive" if good else "a loop has ended; the log says why")

    def started(self) -> Verdict:
        """Whether the workload may start. It never turns back: what was held once counts, and time only passes."""
        missing = tuple(
            self._state(name) for name, token in self._tokens.items() if token.required and not self._store.held(name)
        )
        if not missing:
            return Verdict(good=True, summary="started")
        if self._now() >= self._startup_ends:
            return Verdict(good=True, summary="started without every token: startup.wait has passed", tokens=missing)
        return Verdict(good=False, summary="starting", tokens=missing)

    def ready(self) -> Verdict:
        """Whether every required token could be handed out now."""
        states = tuple(map(self._state, self._tokens))
        good = all(state.code == OK for state in states if state.required)
        return Verdict(good=good, summary="ready" if good else "not ready", tokens=states)

    def ready_token(self, name: str) -> Verdict | None:
        """The same for one token, required or not; `None` when there is none of that name."""
        if name not in self._tokens:
            return None
        state = self._state(name)
        good = state.code == OK
        return Verdict(good=good, summary="ready" if good else "not ready", tokens=(state,))

    def _state(self, name: str) -> TokenState:
        failure = self._failure(name)
        if self._store.get(name):
            code = OK
        elif failure:
            code = failure.reason
        else:
            code = EXPIRED if self._store.held(name) else STARTING.reason
        return TokenState(name=name, required=self._tokens[name].required, code=code, failure=failure)
