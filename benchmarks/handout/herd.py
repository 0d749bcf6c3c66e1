"""A thousand workloads that want a fresher token, all within a second, and what the authorization server sees of it."""

import resource
import time

from benchmarks.footprint.measuring import Sample
from benchmarks.handout.keeping import connected
from benchmarks.handout.subjects import Bench

HERD = 1000
LIFETIME, MIN_TTL = 60, 54  # seconds; the most that may be asked for is 90 % of the lifetime
AGED = 7.0  # seconds, after which the token held is not enough
ANSWER = 0.5  # seconds the authorization server takes


def measured(bench: Bench) -> Sample:
    """`requests` to the authorization server, the `sent_s` and `answered_s` of the herd, the least `expires_in`."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    api = {"max_connections": 3 * HERD}  # half of which may wait
    with bench.issuer(f"{LIFETIME}s") as issuer, bench.broker(issuer, api=api) as subject:
        time.sleep(AGED)
        issuer.delay(ANSWER)
        before = issuer.requests()
        with connected(subject.port, HERD) as herd:
            began = time.perf_counter()
            for number, one in enumerate(herd):
                time.sleep(max(0.0, began + 0.9 * number / HERD - time.perf_counter()))
                one.ask(f"/v1/token?min_ttl={MIN_TTL}s")
            sent = time.perf_counter() - began
            answers = [one.answer() for one in herd]
            answered = time.perf_counter() - began
        return {
            "herd": HERD,
            "requests": issuer.requests() - before,
            "sent_s": sent,
            "answered_s": answered,
            "least_expires_in": min(answer["expires_in"] for answer in answers),
            "tokens": len({answer["access_token"] for answer in answers}),
        }
