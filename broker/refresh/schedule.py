"""When to refresh and when to retry. Arithmetic only: times come in, times go out, in seconds.

`draw` is always one number drawn uniformly from [0, 1) by the caller, once per decision: a point that is drawn again at
every look creeps ahead.
"""

from broker.core.durations import Ahead
from broker.core.tokens import Token

MAX_LEAD = 3600.0
MIN_LEAD = 300.0
MAX_SPREAD = 1800.0

FIRST_RETRY = 1.0
MAX_RETRY_WITHOUT_TOKEN = 60.0
MAX_RETRY = 300.0
MIN_REFUSED_RETRY = 15.0
LIMIT_MARGIN = 1.0
LIMIT_SPREAD = 60.0
MIN_HOLDER_SPREAD = 5.0
MAX_HOLDER_SPREAD = 600.0
MAX_LIMIT = 3600.0

#: How long a workload's request for an absent token counts as demand.
DEMAND = 10.0
MIN_PROBE = 2.0
MAX_PROBE = 5.0
#: Once a token has been absent for `EARLY_ABSENCE`, probing attempts become rarer.
EARLY_ABSENCE = 600.0
MAX_LATE_PROBE = 15.0


def lead(lifetime: float, ahead: Ahead) -> float:
    """How long before its expiry a token of this lifetime should have been replaced at the latest.

    A third of the lifetime, but at least five minutes so that several attempts fit in, never more than half of it or
    an hour. What the operator wrote is taken as said, up to 90 % of the lifetime.
    """
    wanted = ahead.of(lifetime)
    if wanted is not None:
        return min(wanted, 0.9 * lifetime)
    return min(max(MIN_LEAD, lifetime / 3), lifetime / 2, MAX_LEAD)


def refresh_at(token: Token, ahead: Ahead, draw: float) -> float:
    """The moment to replace `token`, drawn once when it arrives so that ten thousand brokers spread out.

    The server's `refresh_in` may bring it forward.
    """
    latest, window = token.lifetime - lead(token.lifetime, ahead), token.lifetime
    if token.refresh_in is not None and token.refresh_in < latest:
        latest = window = token.refresh_in
    return token.issued_at + max(0.0, latest - draw * min(0.1 * window, MAX_SPREAD))


def shortest_pause(lifetime: float) -> float:
    """At least this long after a token came the next one is asked for.

    However large `ahead` or small `refresh_in` is, and however late the answer came, no lifetime of a second or more
    makes a busy loop.
    """
    return max(min(30.0, lifetime / 20), min(1.0, lifetime / 4))


def after_fault(attempt: int, left: float, draw: float, asked: float = 0.0) -> float:
    """Pause after the `attempt`-th network or server failure in a row, with `left` seconds of a held token.

    Exponential from one second with full jitter; while a token is held there is no hurry, so the ceiling grows. What a
    503 asks for by `Retry-After` is granted up to an hour, as far as it costs no token.
    """
    longest = MAX_RETRY_WITHOUT_TOKEN if left <= 0 else min(max(MAX_RETRY_WITHOUT_TOKEN, left / 4), MAX_RETRY)
    ceiling = min(longest, FIRST_RETRY * 2.0 ** min(attempt, 16))
    polite = min(asked, left / 2 if left > 0 else MAX_RETRY_WITHOUT_TOKEN, MAX_LIMIT)
    return max(FIRST_RETRY + draw * (ceiling - FIRST_RETRY), polite)


def after_refusal(left: float) -> float:
    """Pause while a person has to act: often enough to notice the repair, too seldom to be a nuisance."""
    return min(max(left / 4, MIN_REFUSED_RETRY), MAX_RETRY)


def after_limit(asked: float, left: float, draw: float) -> float:
    """Pause after a rate limit, when the server wants us to stay away for `asked` seconds (0 when it did not say).

    Spread over a minute, since the limit is reset for everyone at the same moment. A client that still holds a token
    yields to those without one: its attempts spread over the time until half of what is left has passed.
    """
    soonest, spread = asked + LIMIT_MARGIN, LIMIT_SPREAD
    if left > 0:
        spread = min(max(left / 2 - soonest, MIN_HOLDER_SPREAD), MAX_HOLDER_SPREAD)
    return min(soonest + draw * spread, MAX_LIMIT)


def probe_pause(absent: float, draw: float, asked: float = 0.0) -> float:
    """Pause between a failed attempt and the next probing attempt, for a token that has been absent `absent` seconds.

    2 to 5 s, so that recovery is noticed at once; 2 to 15 s in a long outage. Never before the server's `Retry-After`
    (`asked`).
    """
    longest = MAX_PROBE if absent < EARLY_ABSENCE else MAX_LATE_PROBE
    return max(MIN_PROBE + draw * (longest - MIN_PROBE), asked)


def attempt_at(next_at: float, probe_at: float, wanted_until: float) -> float:
    """When the next attempt is due: at `probe_at` if that is sooner and a workload still wants the token then."""
    return min(next_at, probe_at) if probe_at <= wanted_until else next_at
