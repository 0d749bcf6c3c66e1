"""The figures in docs/scaling.md: all that stands between `<!-- figures: NAME -->` and `<!-- /figures -->`."""

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from benchmarks.fleet.record import HOUR, MINUTE, Figures
from benchmarks.fleet.scenarios import FEW, HIGH, LIFETIME, LOW, PODS, cycle
from broker.core.durations import Ahead
from broker.refresh.schedule import lead

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
BLOCK = re.compile(r"(<!-- figures: ([a-z]+) -->\n).*?(<!-- /figures -->)", re.DOTALL)

DAY = 24 * HOUR
AUTO = Ahead("auto")
LIFETIMES = (300, 600, HOUR, 8 * HOUR, DAY)
FLEETS = (100, 1_000, 10_000)
#: An app's half of Okta's three sizes of bucket, and the whole of the largest.
LIMITS = (150, 600, 1_000, 2_000)

Results = dict[str, Figures]


def load() -> Results:
    """The results that are kept beside this file."""
    return msgspec.json.decode(RESULTS.read_bytes(), type=Results)


def filled(page: str, results: Results) -> str:
    """The page with its figures written anew."""
    return BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]](results)}{found[3]}", page)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _prose(*sentences: str) -> str:
    return textwrap.fill(" ".join(sentences), 125, break_long_words=False, break_on_hyphens=False) + "\n\n"


def _minutes(seconds: float) -> str:
    return f"{seconds / MINUTE:,.1f}".removesuffix(".0")


def _age(seconds: float) -> str:
    """Of minutes and hours, as one says it."""
    return f"{seconds / MINUTE:.0f} min" if seconds < HOUR else f"{seconds / HOUR:.0f} h"


def _load(_: Results) -> str:
    """How many requests a minute a fleet makes."""
    head = ["lifetime", "lead", "from token to token", *(f"{pods:,} pods" for pods in FLEETS)]
    return _table(
        head,
        (
            [
                _age(lifetime),
                f"{_minutes(lead(lifetime, AUTO))} min",
                f"{_minutes(cycle(lifetime))} min",
                *(_rate(pods, lifetime) for pods in FLEETS),
            ]
            for lifetime in LIFETIMES
        ),
    )


def _rate(pods: int, lifetime: float, ahead: Ahead = AUTO) -> str:
    per_minute = pods * MINUTE / cycle(lifetime, ahead)
    return f"{per_minute:,.0f}" if per_minute >= 10 else f"{per_minute:.1f}"


def _fits(_: Results) -> str:
    """How many pods make half of a limit."""
    return _table(
        ["limit a minute", *(f"tokens of {_age(lifetime)}" for lifetime in LIFETIMES)],
        (
            [f"{limit:,}", *(f"{limit / 2 * cycle(lifetime) / MINUTE // 10 * 10:,.0f}" for lifetime in LIFETIMES)]
            for limit in LIMITS
        ),
    )


def _ahead(_: Results) -> str:
    """What a larger lead costs and brings."""
    wanted = [Ahead("10m"), AUTO, Ahead("30m"), Ahead("45m")]
    return _table(
        ["`refresh.ahead`", "lead", "from token to token", f"{PODS:,} pods, requests a minute"],
        (
            [
                f"`{ahead}`",
                f"{_minutes(lead(LIFETIME, ahead))} min",
                f"{_minutes(cycle(LIFETIME, ahead))} min",
                _rate(PODS, LIFETIME, ahead),
            ]
            for ahead in wanted
        ),
    )


def _start(results: Results) -> str:
    low, high = results["start, 600"], results["start, 2000"]
    named = {"600": low, "2,000": high, "2,000, and 75 at once": results["start, 2000, 75 at once"]}
    return _prose(
        f"With a limit of {LOW:,} a minute the last of {PODS:,} pods has its token after {_minutes(low.wait_longest)}"
        f" minutes, with {HIGH:,} after {_minutes(high.wait_longest)}: hardly any of what is allowed stays unused.",
        f"The price is refusals, as who waits asks about once a minute: {low.limited:,} of them with the lower limit,"
        f" {low.limited / low.requests:.0%} of all requests.",
    ) + _table(
        ["limit a minute", "half have a token", "99 %", "all", "refused", "refused for each token"],
        (
            [
                name,
                *(f"{_minutes(wait)} min" for wait in (each.wait_median, each.wait_p99, each.wait_longest)),
                f"{each.limited:,}",
                f"{each.limited / each.granted:.1f}",
            ]
            for name, each in named.items()
        ),
    )


def _day(results: Results) -> str:
    broker, plain = results["day"], results["day, plain"]
    shown = (1, 3, 6, 12, 23)
    return _prose(
        "The start comes back as a wave with every refresh and flattens slowly, since a refresh is spread over six"
        f" minutes and a cycle has {_minutes(cycle(LIFETIME))}: the crest is {broker.hours[1].peak:,} a minute in the"
        f" second hour, {max(hour.peak for hour in broker.hours[12:]):,} in the second half of the day and"
        f" {broker.hours[-1].peak:,} in its last hour, around a mean of {_rate(PODS, LIFETIME)}.",
        f"A client without jitter repeats its start every {0.8 * LIFETIME / MINUTE:.0f} minutes for ever,"
        f" {plain.hours[-1].peak_second:,} requests in one second; of the brokers {broker.hours[-1].peak_second} ask in"
        " the busiest second of the last hour.",
    ) + _table(
        ["requests in the highest minute", *(f"hour {hour + 1}" for hour in shown)],
        (
            [name, *(f"{each.hours[hour].peak:,}" for hour in shown)]
            for name, each in {"no jitter": plain, "token-broker": broker}.items()
        ),
    )


def _storm(results: Results) -> str:
    low, high = results["storm, 600"], results["storm, 2000"]
    return _prose(
        f"Cut from {HIGH:,} to {HIGH // 10:,} a minute for 20 minutes, the limit costs {high.limited:,} refusals and"
        f" {_no(high.missed_pods)} token: the tightest is replaced with {high.least_left:,.0f} s left.",
        f"Cut from {LOW:,} to {LOW // 10:,}, it costs {low.limited:,} and {_no(low.missed_pods)} token either:"
        f" those with much time left yield, the tightest is replaced with {low.least_left:,.0f} s left, and"
        f" {low.cleared} minutes later nobody is refused any more.",
    ) + _troubles({"600 to 60": low, "2,000 to 200": high})


def _outage(results: Results) -> str:
    low, high = results["outage of 30 minutes, 600"], results["outage of 30 minutes, 2000"]
    named = {
        f"{minutes} min, limit {limit:,}": results[f"outage of {minutes} minutes, {limit}"]
        for minutes in (15, 20, 30)
        for limit in (LOW, HIGH)
    }
    return _prose(
        f"30 minutes are longer than the lead: {high.missed_pods:,} pods lose their token with the higher limit and"
        f" {low.missed_pods:,} with the lower one, where it takes {low.cleared} more minutes until nobody is refused.",
        "What was granted together is due together one cycle later, and flattens as after a start.",
    ) + _troubles(named)


def _troubles(named: Mapping[str, Figures]) -> str:
    return _table(
        [
            "",
            "429s",
            "no answer",
            "highest minute",
            "refusals end after",
            "pods without one",
            "minutes without, summed",
            "the longest",
        ],
        (
            [
                name,
                f"{each.limited:,}",
                f"{each.failed:,}",
                f"{each.peak_minute:,}",
                f"{each.cleared} min",
                f"{each.missed_pods:,}",
                f"{each.missed:,.0f}",
                f"{_minutes(each.missed_longest)} min",
            ]
            for name, each in named.items()
        ),
    )


def _retry(results: Results) -> str:
    """What probing and yielding change."""
    names = {
        f"{kind}, {limit:,}": f"{name}, {limit}"
        for kind, name in {
            "storm": "storm",
            **{f"{minutes} min": f"outage of {minutes} minutes" for minutes in (15, 20, 30)},
        }.items()
        for limit in (LOW, HIGH)
    }
    low, former = results["outage of 30 minutes, 600"], results["outage of 30 minutes, 600, former"]
    high, former_high = results["outage of 30 minutes, 2000"], results["outage of 30 minutes, 2000, former"]
    few, few_former = results["outage of 70 minutes, few"], results["outage of 70 minutes, few, former"]
    short, short_former = results["outage of 30 minutes, few"], results["outage of 30 minutes, few, former"]
    return _prose(
        f"With a limit of {LOW:,} the outage of half an hour costs {former.missed:,.0f} minutes without a token, summed"
        f" over all pods, by the former rule and {low.missed:,.0f} now; with {HIGH:,} {former_high.missed:,.0f} and"
        f" {high.missed:,.0f}. It costs {1 - low.limited / former.limited:.0%} and"
        f" {1 - high.limited / former_high.limited:.0%} fewer refusals.",
        f"The price is paid while the server is down: {low.peak_minute:,} requests in the highest minute instead of"
        f" {former.peak_minute:,}.",
        f"Where no limit matters the server's return is noticed at once: the last of {FEW} pods is back"
        f" {short.back:,.0f} s after an outage of half an hour ({short_former.back:,.0f} s by the former rule) and"
        f" {few.back:,.0f} s ({few_former.back:,.0f} s) after one of 70 minutes, in which each pod asks up to"
        f" {few.peak_minute / FEW:.0f} times a minute ({few_former.peak_minute / FEW:.0f}).",
    ) + _troubles(
        {
            f"{shown}, {rule}": results[name + suffix]
            for shown, name in names.items()
            for rule, suffix in {"former": ", former", "now": ""}.items()
        }
    )


def _deploy(results: Results) -> str:
    each = results["deploy, 600"]
    return _prose(
        f"Replacing {PODS:,} pods within an hour adds {PODS / 60:,.0f} requests a minute to the {_rate(PODS, LIFETIME)}"
        f" of the steady fleet: {each.peak_minute:,} in the highest minute, and {_no(each.limited)} refusal.",
        f"An hour is longer than a cycle, so the new fleet is spread almost evenly: {each.hours[-1].peak:,} in the"
        " highest minute of the third hour after.",
    )


def _volume(_: Results) -> str:
    """What the provider grants and logs."""
    return _table(
        ["lifetime", "tokens a pod and day", *(f"{pods:,} pods, a day" for pods in FLEETS), f"{PODS:,} pods, 30 days"],
        (
            [
                _age(lifetime),
                f"{DAY / cycle(lifetime):,.1f}",
                *(f"{pods * DAY / cycle(lifetime):,.0f}" for pods in FLEETS),
                f"{PODS * 30 * DAY / cycle(lifetime) / 1e6:,.2f} million",
            ]
            for lifetime in LIFETIMES
        ),
    )


def _no(number: int) -> str:
    return f"{number:,}" if number else "no"


BLOCKS: Mapping[str, Callable[[Results], str]] = {
    "load": _load,
    "fits": _fits,
    "ahead": _ahead,
    "start": _start,
    "day": _day,
    "storm": _storm,
    "outage": _outage,
    "retry": _retry,
    "deploy": _deploy,
    "volume": _volume,
}
