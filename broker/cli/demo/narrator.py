"""What happens -> the line that is said about it, if any. Counts on the way."""

from broker.cli.demo import story
from broker.cli.demo.story import Mood
from broker.cli.demo.tally import Call, Tally
from broker.core.events import Crashed, KeyLoaded, KeyRefused, Refreshed, RefreshFailed, TokenExpired

#: The events of the broker that the demo speaks of.
Told = KeyLoaded | KeyRefused | Refreshed | RefreshFailed | TokenExpired | Crashed


class Narrator:
    """Times are of the boot-time clock, as the events'."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.key: KeyLoaded | None = None
        self._missing = False

    def __call__(self, item: Told | Call, now: float) -> tuple[str, Mood] | None:  # noqa: PLR0911 - a table, one row an event
        """What to say of something that happened at `now`; `None` for nothing."""
        match item:
            case Call():
                return self._called(item)
            case KeyLoaded():
                self.key = item
                return None
            case KeyRefused():
                return item.detail, "bad"
            case Refreshed():
                return self._refreshed(item, now)
            case RefreshFailed():
                return self._failed(item, now)
            case TokenExpired():
                return story.EXPIRED, "miss"
            case Crashed():
                return f"A defect in {item.where}: {item.error}. Please report it.", "miss"

    def _called(self, call: Call) -> tuple[str, Mood] | None:
        """Of misses in a row, the first is said."""
        self.tally.called(call)
        begins = call.miss is not None and not self._missing
        self._missing = call.miss is not None
        return (story.missed(call.miss), "miss") if begins and call.miss else None

    def _refreshed(self, token: Refreshed, now: float) -> tuple[str, Mood] | None:
        """The first token is a chapter of its own."""
        old, since = self.tally.token, self.tally.failing_since
        self.tally.refreshed(token, now)
        if old is None:
            return None
        outage = None if since is None else now - since
        return story.replaced(self.tally, old.expires_at - now, outage), "good"

    def _failed(self, failure: RefreshFailed, now: float) -> tuple[str, Mood]:
        before = self.tally.failure
        again = before is not None and before.diagnosis.reason == failure.diagnosis.reason
        self.tally.refresh_failed(failure, now)
        return story.failed(self.tally, failure, now, again=again), "bad"
