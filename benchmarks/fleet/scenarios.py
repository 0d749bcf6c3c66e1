"""The days that are simulated. Limits are those of 10,000 pods, and are scaled with their number."""

from dataclasses import dataclass, replace

from benchmarks.fleet.clients import SETTINGS, Former, Make, Plain, Sidecar
from benchmarks.fleet.record import HOUR, MINUTE, Figures, Record
from benchmarks.fleet.server import Server, Spell
from benchmarks.fleet.simulation import Life, draws, simulate
from broker.core.durations import Ahead
from broker.core.tokens import Token
from broker.refresh.schedule import refresh_at

PODS = 10_000
LIFETIME = 3600.0
#: Okta's bucket of /oauth2/v1/token for a workforce, and half of the one for customers: docs/scaling.md.
HIGH, LOW = 2000, 600
#: So small that no limit matters.
FEW = 200
#: A fleet runs for so long before something happens to it.
CALM = 2 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Something happens at `since` and is `over` at that second; figures begin at `since`."""

    server: Server
    lives: list[Life]
    seconds: int
    since: int = 0
    over: int = 0
    make: Make = Sidecar

    def run(self) -> Record:
        """Always the same."""
        return simulate(replace(self.server), self.lives, seconds=self.seconds, make=self.make)

    def figures(self, record: Record) -> Figures:
        """Of what `run` gave."""
        return record.figures(since=self.since, over=self.over)


def cycle(lifetime: float, ahead: Ahead = SETTINGS.refresh.ahead) -> float:
    """From one token to the next, on average, in seconds: by the schedule, with the middle of all draws."""
    token = Token(access_token="t", token_type="Bearer", scope="", issued_at=0.0, lifetime=lifetime)  # noqa: S106 - none
    return refresh_at(token, ahead, 0.5)


def at_once(pods: int) -> list[Life]:
    """A cluster that restarts: all pods within one second."""
    draw = draws().random
    return [Life(draw()) for _ in range(pods)]


def grown(pods: int) -> list[Life]:
    """A fleet that came together over time: its refreshes are spread over a whole cycle from the beginning."""
    draw = draws().random
    return [Life(draw() * cycle(LIFETIME)) for _ in range(pods)]


def rolling(pods: int) -> list[Life]:
    """Each pod is replaced within an hour, evenly; the old one goes 10 s after the new one came."""
    begins = [CALM + HOUR * number / pods for number in range(pods)]
    old = [replace(life, ends=begin + 10) for life, begin in zip(grown(pods), begins, strict=True)]
    return [*old, *map(Life, begins)]


class Scenarios:
    """For a fleet of `pods`."""

    def __init__(self, pods: int = PODS) -> None:
        self.pods = pods

    def all(self) -> dict[str, Scenario]:
        """By the names that `results.json` has."""
        return {
            "start, 600": self.start(LOW),
            "start, 2000": self.start(HIGH),
            "start, 2000, 75 at once": self.start(HIGH, concurrent=75),
            "day": self.start(HIGH, minutes=24 * 60),
            "day, plain": self.start(HIGH, minutes=24 * 60, make=Plain),
            **self._troubles(Sidecar),
            "deploy, 600": self.deploy(LOW),
            **{f"{name}, former": scenario for name, scenario in self._troubles(Former).items()},
        }

    def _troubles(self, make: Make) -> dict[str, Scenario]:
        """Storms and outages, for the ten thousand; and outages for a few pods."""
        return {
            "storm, 600": self.trouble(LOW, 20, LOW // 10, make=make),
            "storm, 2000": self.trouble(HIGH, 20, HIGH // 10, make=make),
            **{
                f"outage of {minutes} minutes, {per_minute}": self.trouble(per_minute, minutes, 0, make=make)
                for minutes in (15, 20, 30)
                for per_minute in (LOW, HIGH)
            },
            **{
                f"outage of {minutes} minutes, few": Scenarios(FEW).trouble(HIGH * PODS // FEW, minutes, 0, make=make)
                for minutes in (30, 70)
            },
        }

    def start(
        self, per_minute: int, *, minutes: int = 30, concurrent: int | None = None, make: Make = Sidecar
    ) -> Scenario:
        """All pods at once, and the minutes after; in 30 no token is replaced yet."""
        server = Server(per_minute=self._limit(per_minute), concurrent=concurrent)
        return Scenario(server=server, lives=at_once(self.pods), seconds=minutes * MINUTE, make=make)

    def trouble(self, per_minute: int, minutes: int, instead: int, *, make: Make = Sidecar) -> Scenario:
        """The limit is `instead` for some minutes, 0 for an outage; three hours from there on."""
        over = CALM + minutes * MINUTE
        spell = Spell(begins=CALM, ends=over, per_minute=self._limit(instead))
        server = Server(per_minute=self._limit(per_minute), spells=[spell])
        lives = grown(self.pods)
        return Scenario(server=server, lives=lives, seconds=CALM + 3 * HOUR, since=CALM, over=over, make=make)

    def deploy(self, per_minute: int) -> Scenario:
        """Every pod is replaced within an hour."""
        server = Server(per_minute=self._limit(per_minute))
        return Scenario(server=server, lives=rolling(self.pods), seconds=CALM + 4 * HOUR, since=CALM, over=CALM + HOUR)

    def _limit(self, per_minute: int) -> int:
        return per_minute * self.pods // PODS
