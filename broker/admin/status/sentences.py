"""Sentences about a snapshot: the headline, notices, and the state of each token, client and sink."""

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from broker.admin.status.snapshot import ClientStatus, KeyStatus, SinkStatus, Snapshot, TokenStanding, TokenStatus
from broker.admin.status.words import ago, clock, names, number, printable, span
from broker.oauth.server_clock import NOISE

#: Severity: healthy, in progress, needs attention, workloads are affected.
Level: TypeAlias = Literal["good", "wait", "warn", "bad"]

#: Shown beside the colour, for accessibility.
SYMBOLS: Final[dict[Level, str]] = {"good": "●", "wait": "○", "warn": "▲", "bad": "✖"}
LEVELS: Final[dict[TokenStanding, Level]] = {
    TokenStanding.MISSING: "bad",
    TokenStanding.EXPIRED: "bad",
    TokenStanding.FAILING: "warn",
    TokenStanding.STARTING: "wait",
    TokenStanding.GOOD: "good",
}
ASLEEP = "It ran out, and no attempt to replace it has failed yet: the machine was asleep, or an attempt takes long."


def headline(seen: Snapshot) -> tuple[Level, str]:
    """The overall level and state in one sentence."""
    count = len(seen.tokens)
    absent = [token for token in seen.tokens if token.standing.absent]
    starting = [token for token in seen.tokens if token.standing is TokenStanding.STARTING]
    failing = [token.name for token in seen.tokens if token.standing is TokenStanding.FAILING]
    if not seen.alive:
        return "bad", "The broker is broken: one of its loops has ended; its log says why"
    if absent:
        level: Level = "bad" if any(token.settings.required for token in absent) else "warn"
        return level, _absent(absent, count)
    if starting:
        which = starting[0].name if count == 1 else f"{len(starting)} of {count} tokens"
        return "wait", f"{which} {'is' if len(starting) == 1 else 'are'} being fetched"
    good = {1: f"{seen.tokens[0].name} is good", 2: "Both tokens are good"}.get(count, f"All {count} tokens are good")
    if failing:
        return "warn", f"{good}, but {'its refresh' if count == 1 else f'the refresh of {names(failing)}'} fails"
    return "good", good


def _absent(absent: list[TokenStatus], count: int) -> str:
    only = absent[0]
    if count == 1:
        return f"{only.name} {'has expired' if only.standing is TokenStanding.EXPIRED else 'is missing'}"
    verb = "is" if len(absent) == 1 else "are"
    return f"{len(absent)} of {count} tokens {verb} missing: {names([token.name for token in absent])}"


def readiness(seen: Snapshot) -> str:
    """The result of `/readyz` in words."""
    waits = all(
        token.standing in {TokenStanding.GOOD, TokenStanding.FAILING, TokenStanding.STARTING} for token in seen.tokens
    )
    return "ready" if seen.ready else "starting" if waits else "not ready"


def notices(seen: Snapshot) -> Iterator[tuple[Level, str]]:
    """Further problems with their levels, worst first."""
    if seen.crash:
        yield "warn", f"There was an internal error: {seen.crash}. Report the line in the log as a defect."
    yield from _failing_sinks(seen)
    for client in seen.clients:
        for key in client.keys:
            if key.state.refusal and key.state.signer:
                yield "warn", f"{client.name}: {printable(key.state.refusal)}. The key loaded before stays in use."
            if key.state.certificate and key.state.certificate.days_left(seen.at) is not None:
                yield "warn", f"{client.name}: {certificate(key, seen.at)}. Have a new one issued and registered."
        if client.clock and abs(client.clock.offset) > NOISE:
            yield "warn", f"{client.name}: {offset(client)}. Have the clocks set by NTP."
    if seen.config_stale:
        yield "warn", "The configuration file has changed since the start. Restart the broker to apply it."
    for warning in seen.warnings:
        yield "warn", printable(warning)


def _failing_sinks(seen: Snapshot) -> Iterator[tuple[Level, str]]:
    for token in seen.tokens:
        for one in token.sinks:
            if one.failure:
                yield "warn", f"{token.name}: {printable(one.failure)}."


def offset(client: ClientStatus) -> str:
    """How far the server's clock is from ours, and whether assertions follow it."""
    if client.clock is None:
        return "not compared yet"
    apart = abs(client.clock.offset)
    if apart <= NOISE:
        return f"the server's clock agrees with ours ({client.clock.offset:+.1f} s)"
    difference = f"the server's clock is {span(apart)} {'ahead of' if client.clock.offset > 0 else 'behind'} ours"
    if client.clock.used:
        return f"{difference}; assertions follow the server's"
    if apart > client.settings.max_clock_offset:
        return f"{difference}, which is beyond max_clock_offset ({client.settings.max_clock_offset}) and not corrected"
    return f"{difference}; it is corrected once a second answer says so too"


def certificate(key: KeyStatus, at: float) -> str:
    """When the certificate of the key expires; empty without one."""
    if (found := key.state.certificate) is None:
        return ""
    if found.not_after <= at:
        return f"the certificate expired {ago(found.not_after, at)}"
    return f"the certificate expires in {span(found.not_after - at)}"


def expiry(token: TokenStatus, at: float) -> tuple[str, str]:
    """When the token expires or expired: relative to `at`, and as a time of day."""
    if token.expires_at is None:
        return "never fetched" if token.standing is TokenStanding.MISSING else "not here yet", ""
    by_the_clock = clock(token.expires_at, at)
    if token.left:
        return f"expires in {span(token.left)}", by_the_clock
    return f"expired {ago(token.expires_at, at)}", by_the_clock


def rhythm(token: TokenStatus, at: float) -> str:
    """When the last and the next refresh happen."""
    if token.standing is TokenStanding.STARTING:
        return "first attempt under way"
    last = f"refreshed {ago(token.refreshed_at, at)}" if token.refreshed_at is not None else ""
    what = "attempt" if token.failure or not token.left else "refresh"
    due = token.next_at is None or token.next_at - at < 1
    following = f"{what} due now" if due else f"next {what} in {span((token.next_at or at) - at)}"
    return ", ".join(filter(None, (last, following)))


def trouble(token: TokenStatus, at: float) -> str:
    """How long refreshes have been failing, or why there is no token without a failure; empty if all is well."""
    if not token.failure:
        return ASLEEP if token.standing is TokenStanding.EXPIRED else ""
    if token.failing_since is None:
        return "failed"
    if token.failures == 1:
        return f"failed {ago(token.failing_since, at)}"
    return f"failing for {span(at - token.failing_since)}, {number(token.failures, 'attempt')}"


def handed_out(token: TokenStatus, at: float) -> str:
    """How often and when the token was last served."""
    if token.handed_out_at is None:
        return "not yet"
    return f"{number(token.handed_out, 'time')}, last {ago(token.handed_out_at, at)}"


def sink(one: SinkStatus, at: float) -> str:
    """When the sink was written, and whether it was removed since."""
    if one.written_at is None:
        return "no token in it yet"
    return f"written {ago(one.written_at, at)}" + (", removed since" if one.cleared else "")


def replaced(token: TokenStatus) -> str:
    """The lifetime of the token, and the remaining time at which it is replaced at the latest."""
    return f"{span(token.lifetime)}, replaced at least {span(token.lead)} ahead" if token.lifetime else "not known yet"


def key(client: ClientStatus, one: KeyStatus, at: float) -> str:
    """The key in use from a key file, and since when."""
    if one.state.signer is None:
        return "no key" if one.state.refusal else "not read yet"
    loaded = f", loaded {ago(one.loaded_at, at)}" if one.loaded_at is not None else ""
    preferred = next(each.state.signer for each in client.keys if each.state.signer)
    spare = "" if one.state.signer is preferred else ", in reserve"
    return f"{one.state.signer.algorithm}{loaded}{spare}"
