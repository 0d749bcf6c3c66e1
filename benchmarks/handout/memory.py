"""What a connection that idles takes of the server's memory, and what a token takes, in KiB."""

import contextlib
import resource
import time
from collections.abc import Iterator
from functools import partial

from benchmarks.footprint.measuring import SETTLE, Sample, Samples, memory, rounds
from benchmarks.handout.keeping import Kept, connected
from benchmarks.handout.subjects import LOOPS, Bench, Issuer, Subject, fetched

CONNECTIONS = 1000
TOKENS = 100
BEFORE = 20  # tokens there are already: more than are fetched at once, which takes memory for once
WARM = 100  # connections that came and went before: what they leave behind is not counted again
FIELDS = {"private_dirty_kib": "Private_Dirty", "rss_kib": "Rss"}


def measured(bench: Bench, *, number: int) -> Samples:
    """For each kind of thing and server, what one more of them takes."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with bench.issuer() as issuer:
        with bench.broker(issuer) as broker:
            body = broker.get("/v1/token")

        def broker_on(loop: str, times: int) -> Sample:
            with bench.broker(issuer, loop=loop, api={"max_connections": 2 * CONNECTIONS}) as subject:
                return _connections(subject, times)

        def bare_on(loop: str) -> Sample:
            with bench.bare(body, api="application", loop=loop) as subject:
                return _connections(subject, 1)

        subjects = {f"aiohttp Application, {loop}": partial(bare_on, loop) for loop in LOOPS}
        for loop in LOOPS:
            subjects[f"token-broker, {loop}, asked once"] = partial(broker_on, loop, 1)
            subjects[f"token-broker, {loop}, asked again"] = partial(broker_on, loop, 3)
            subjects[f"a token, {loop}"] = partial(_tokens, bench, issuer, loop, scraped=False)
            subjects[f"a token, {loop}, scraped"] = partial(_tokens, bench, issuer, loop, scraped=True)
        return rounds(number, subjects)


def _connections(subject: Subject, times: int) -> Sample:
    with _asked(subject, WARM, times):
        pass
    before = _taken(subject)
    with _asked(subject, CONNECTIONS, times):
        after = _taken(subject)
    return {name: (after[name] - before[name]) / CONNECTIONS for name in FIELDS}


@contextlib.contextmanager
def _asked(subject: Subject, connections: int, times: int) -> Iterator[list[Kept]]:
    with connected(subject.port, connections) as kept:
        for one in kept:
            for _ in range(times):
                one.ask("/v1/token")
                one.answer()
        yield kept


def _tokens(bench: Bench, issuer: Issuer, loop: str, *, scraped: bool) -> Sample:
    """Every one was asked for; the text of a scrape is as long as there are tokens."""
    taken = []
    for tokens in (BEFORE, BEFORE + TOKENS):
        with bench.broker(issuer, loop=loop, tokens=tokens) as subject:
            with connected(subject.port, 1) as kept:
                for token in range(tokens):
                    kept[0].ask(f"/v1/tokens/t{token}")
                    kept[0].answer()
            if scraped:
                fetched(subject.admin, "/metrics")
            taken.append(_taken(subject))
    return {name: (taken[1][name] - taken[0][name]) / TOKENS for name in FIELDS}


def _taken(subject: Subject) -> Sample:
    time.sleep(SETTLE)
    return {name: memory(subject.pid, field) * 1024 for name, field in FIELDS.items()}
