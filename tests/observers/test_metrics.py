"""What a scrape shows: names, labels and their number are a contract."""

import platform
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client import Counter as PrometheusCounter
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.samples import Sample

import broker
from broker.admin.server import ROUTES as ADMIN_ROUTES
from broker.core.diagnosis import REASONS
from broker.core.events import (
    ClockMeasured,
    ConfigChanged,
    Event,
    HandedOut,
    KeyAccepted,
    KeyFellBack,
    KeyLoaded,
    KeyRefused,
    KeyRetired,
    Refused,
    Served,
    SinkFailed,
    SinkWritten,
    TokenExpired,
)
from broker.core.settings import Api, CallerSettings, Settings, TokenSettings
from broker.http_server.request_rules import REFUSALS
from broker.observers.counts import CounterFamily, GaugeFamily, HistogramFamily
from broker.observers.metrics import MAX_CALLERS, REQUEST_BUCKETS, Metrics
from broker.workload_api.server import ROUTES as API_ROUTES
from programs.installed import needed
from told_events import REFUSED_KEY, SIGNATURE, a_busy_week, failed, key_loaded, refreshed, settings

#: The wall clock was set 500 s forward since the boot-time clock was anchored to it.
NOW, WALL = 1000.0, 1500.0


def metrics_of(*tokens: str) -> Metrics:
    return Metrics(settings(*(tokens or ("users",))), now=lambda: NOW, wall=lambda: WALL)


def samples(metrics: Metrics) -> Iterator[Sample]:
    for family in metrics.registry.collect():
        yield from family.samples


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"token_broker_{name}", labels)


def test_everything_countable_starts_at_zero() -> None:
    metrics = metrics_of("users")
    for name in ("expiration", "refresh", "next_refresh"):
        assert value(metrics, f"token_{name}_timestamp_seconds", token="users") == 0
    for outcome in ("success", "error"):
        assert value(metrics, "refreshes_total", token="users", outcome=outcome) == 0
        assert value(metrics, "key_reloads_total", client="okta", outcome=outcome) == 0
    assert value(metrics, "handouts_total", token="users", caller="anonymous") == 0
    assert value(metrics, "refresh_duration_seconds_count", client="okta") == 0
    assert value(metrics, "key_load_timestamp_seconds", client="okta") == 0
    assert value(metrics, "config_stale") == 0
    assert value(metrics, "log_lines_dropped_total") == 0


def test_sink_writes_are_counted_from_zero_where_there_are_sinks() -> None:
    assert [name for name in map(str, samples(metrics_of("users"))) if "sink" in name] == []
    metrics = Metrics(settings("users", sinks=("/a", "/b")), now=lambda: NOW, wall=lambda: WALL)
    for outcome in ("success", "error"):
        assert value(metrics, "sink_writes_total", token="users", outcome=outcome) == 0
    metrics(SinkWritten(token="users", file="/a"))
    metrics(SinkWritten(token="users", file="/a"))
    metrics(SinkFailed(token="users", file="/b", detail="/b cannot be written: No space left on device"))
    assert value(metrics, "sink_writes_total", token="users", outcome="success") == 2
    assert value(metrics, "sink_writes_total", token="users", outcome="error") == 1


def test_sinks_of_a_token_cost_two_series() -> None:
    counts = [
        sum(1 for _ in samples(Metrics(settings("users", sinks=sinks), now=lambda: NOW, wall=lambda: WALL)))
        for sinks in ((), ("/a",), ("/a", "/b"))
    ]
    assert [count - counts[0] for count in counts] == [0, 2, 2]


def test_dropped_log_lines_are_read_at_each_scrape() -> None:
    metrics = metrics_of()
    metrics.log_lines_dropped.read = iter((3, 5)).__next__
    assert [value(metrics, "log_lines_dropped_total") for _ in range(2)] == [3, 5]


def test_points_in_time_are_told_on_the_wall_clock() -> None:
    metrics = metrics_of()
    metrics(refreshed(now=NOW, lifetime=3600))
    assert value(metrics, "token_expiration_timestamp_seconds", token="users") == WALL + 3600
    assert value(metrics, "token_next_refresh_timestamp_seconds", token="users") == WALL + 1800
    assert value(metrics, "token_refresh_timestamp_seconds", token="users") == WALL
    assert value(metrics, "token_refresh_lead_seconds", token="users") == 1200


def test_a_refresh_is_counted_and_timed() -> None:
    metrics = metrics_of()
    metrics(refreshed())
    assert value(metrics, "refreshes_total", token="users", outcome="success") == 1
    assert value(metrics, "refreshes_total", token="users", outcome="error") == 0
    assert value(metrics, "refresh_duration_seconds_sum", client="okta") == 0.25


def test_a_failure_is_counted_by_reason_and_leaves_the_expiration_alone() -> None:
    metrics = metrics_of()
    metrics(refreshed(now=NOW))
    metrics(failed(now=NOW))
    metrics(TokenExpired(token="users", client="okta", reason="signature_refused"))
    assert value(metrics, "refreshes_total", token="users", outcome="error") == 1
    assert value(metrics, "refresh_errors_total", token="users", reason="signature_refused") == 1
    assert value(metrics, "token_expiration_timestamp_seconds", token="users") == WALL + 3600
    assert value(metrics, "token_next_refresh_timestamp_seconds", token="users") == WALL + 15
    assert value(metrics, "refresh_duration_seconds_count", client="okta") == 2


def retired(kid: str, file: str = "/key") -> KeyRetired:
    return KeyRetired(client="okta", file=file, kid=kid, algorithm="RS256")


def test_a_replaced_key_is_shown_until_it_is_retired() -> None:
    metrics = metrics_of()
    metrics(key_loaded("one"))
    metrics(key_loaded("two", algorithm="ES256"))
    assert value(metrics, "key_info", client="okta", kid="one", algorithm="RS256") == 1
    metrics(retired("one"))
    assert value(metrics, "key_info", client="okta", kid="one", algorithm="RS256") is None
    assert value(metrics, "key_info", client="okta", kid="two", algorithm="ES256") == 1
    assert value(metrics, "key_reloads_total", client="okta", outcome="success") == 2
    assert value(metrics, "key_load_timestamp_seconds", client="okta") == WALL


def test_a_key_that_another_file_still_holds_is_shown() -> None:
    metrics = metrics_of()
    metrics(key_loaded("one", file="/a"))
    metrics(key_loaded("one", file="/b"))
    metrics(key_loaded("two", file="/a"))
    metrics(retired("one", "/a"))
    assert value(metrics, "key_info", client="okta", kid="one", algorithm="RS256") == 1
    assert value(metrics, "key_info", client="okta", kid="two", algorithm="RS256") == 1


def test_a_new_key_under_the_old_one_s_kid_is_shown() -> None:
    metrics = metrics_of()
    for _ in range(2):
        metrics(key_loaded("same"))
        metrics(retired("same"))
    assert value(metrics, "key_info", client="okta", kid="same", algorithm="RS256") == 1
    metrics(key_loaded("other"))
    for _ in range(2):
        metrics(retired("same"))
    assert value(metrics, "key_info", client="okta", kid="same", algorithm="RS256") is None


def test_of_several_certificates_the_one_that_expires_first_is_shown() -> None:
    metrics = metrics_of()
    name = "certificate_expiration_timestamp_seconds"
    assert value(metrics, name, client="okta") is None
    metrics(key_loaded(file="/a", not_after=3e9))
    metrics(key_loaded(file="/b", not_after=2e9))
    metrics(key_loaded(file="/c"))
    assert value(metrics, name, client="okta") == 2e9
    metrics(key_loaded(file="/b", not_after=4e9))
    assert value(metrics, name, client="okta") == 3e9


def test_a_key_read_again_is_still_shown() -> None:
    metrics = metrics_of()
    metrics(key_loaded("one"))
    metrics(key_loaded("one"))
    assert value(metrics, "key_info", client="okta", kid="one", algorithm="RS256") == 1


def test_a_refused_key_is_counted_and_the_kept_one_still_shown() -> None:
    metrics = metrics_of()
    metrics(key_loaded("one"))
    metrics(REFUSED_KEY)
    assert value(metrics, "key_reloads_total", client="okta", outcome="error") == 1
    assert value(metrics, "key_info", client="okta", kid="one", algorithm="RS256") == 1


@given(st.none() | st.text() | st.sampled_from(["https://x/?client_secret=s3cret", 'a"}\nevil 1', "k" * 500]))
def test_a_key_id_becomes_a_short_label_of_harmless_characters(kid: str | None) -> None:
    metrics = metrics_of()
    metrics(key_loaded(kid))
    (label,) = (s.labels["kid"] for s in samples(metrics) if s.name == "token_broker_key_info")
    assert re.fullmatch(r"[A-Za-z0-9_.~:/+=@-]{0,64}", label)


def test_requests_are_counted_by_route_and_code_and_timed_by_route() -> None:
    metrics = metrics_of()
    for code in (200, 200, 503):
        metrics(Served(route="/v1/token", code=code, seconds=0.0005))
    assert value(metrics, "requests_total", route="/v1/token", code="200") == 2
    assert value(metrics, "requests_total", route="/v1/token", code="503") == 1
    assert value(metrics, "request_duration_seconds_count", route="/v1/token") == 3
    assert value(metrics, "request_duration_seconds_bucket", route="/v1/token", le="0.0001") == 0
    assert value(metrics, "request_duration_seconds_bucket", route="/v1/token", le="0.001") == 3


def test_what_was_not_timed_is_only_counted() -> None:
    metrics = metrics_of()
    metrics(Served(route="/metrics", code=200, seconds=None))
    metrics(Served(route="other", code=404, seconds=None))
    assert not [s for s in samples(metrics) if "request_duration" in s.name]
    assert value(metrics, "requests_total", route="other", code="404") == 1


def test_handouts_and_refusals_are_counted() -> None:
    metrics = metrics_of()
    for caller in ("anonymous", "anonymous", "reports"):
        metrics(HandedOut(token="users", caller=caller))
    metrics(Refused(reason="host"))
    assert value(metrics, "handouts_total", token="users", caller="anonymous") == 2
    assert value(metrics, "handouts_total", token="users", caller="reports") == 1
    assert value(metrics, "requests_refused_total", reason="host") == 1


def test_what_happened_several_times_is_told_once_and_counted_as_often() -> None:
    metrics = metrics_of()
    metrics(Served(route="/v1/token", code=200, seconds=None, times=41))
    metrics(Served(route="/v1/token", code=200, seconds=0.1))
    metrics(HandedOut(token="users", caller="reports", times=42))
    assert value(metrics, "requests_total", route="/v1/token", code="200") == 42
    assert value(metrics, "request_duration_seconds_count", route="/v1/token") == 1
    assert value(metrics, "handouts_total", token="users", caller="reports") == 42


def with_callers(lists: Mapping[str, tuple[str, ...] | None], *names: str) -> Metrics:
    base = settings(*lists)
    tokens = {name: TokenSettings(client="okta", callers=callers) for name, callers in lists.items()}
    callers = {name: CallerSettings(secret_file=f"/{name}") for name in names}
    return Metrics(
        Settings(api=Api(callers=callers), clients=base.clients, tokens=tokens), now=lambda: NOW, wall=lambda: WALL
    )


def handouts(metrics: Metrics) -> dict[tuple[str, str], float]:
    name = "token_broker_handouts_total"
    return {(s.labels["token"], s.labels["caller"]): s.value for s in samples(metrics) if s.name == name}


def test_whoever_is_named_for_a_token_starts_at_zero() -> None:
    metrics = with_callers({"listed": ("a", "b"), "unlisted": None, "open": ("anonymous",)}, "a", "b", "c")
    assert handouts(metrics) == {("listed", "a"): 0, ("listed", "b"): 0, ("open", "anonymous"): 0}


def test_callers_are_shown_up_to_a_bound_the_ones_seen_last() -> None:
    names = [f"caller-{number}" for number in range(200)]
    metrics = with_callers({"users": None}, *names)
    for name in names:
        metrics(HandedOut(token="users", caller=name))
    assert handouts(metrics) == dict.fromkeys((("users", name) for name in names[-1 - MAX_CALLERS :]), 1)


def test_each_further_caller_costs_one_series() -> None:
    counts = []
    for names in (["a"], ["a", "b", "c"]):
        metrics = with_callers({"users": None}, *names)
        for name in names:
            metrics(HandedOut(token="users", caller=name))
        counts.append(sum(1 for _ in samples(metrics)))
    assert counts[1] - counts[0] == 2


@given(st.lists(st.floats(0, 20), max_size=50))
def test_durations_are_shown_as_prometheus_clients_own_histogram_shows_them(seconds: list[float]) -> None:
    registry = CollectorRegistry()
    theirs = Histogram("d_seconds", "Text.", ["route"], buckets=REQUEST_BUCKETS, registry=registry)
    our_registry = CollectorRegistry()
    ours = HistogramFamily(
        "d_seconds", "Text.", ("route",), buckets=REQUEST_BUCKETS, max_series=2, registry=our_registry
    )
    for one in seconds:
        theirs.labels("/v1/token").observe(one)
        ours.add(("/v1/token",), one)
    assert shown(our_registry) == shown(registry)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), max_size=20))
def test_counts_are_shown_as_prometheus_clients_own_counter_shows_them(counted: list[tuple[str, int]]) -> None:
    registry, our_registry = CollectorRegistry(), CollectorRegistry()
    theirs = PrometheusCounter("c_total", "Text.", ["one", "two"], registry=registry)
    ours = CounterFamily("c_total", "Text.", ("one", "two"), max_series=9, registry=our_registry)
    for label, times in counted:
        theirs.labels(label, "x").inc(times)
        ours.add((label, "x"), times)
    assert sorted(shown(our_registry)) == sorted(shown(registry))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.none() | st.floats(allow_nan=False)), max_size=20))
def test_levels_are_shown_as_prometheus_clients_own_gauge_shows_them(levels: list[tuple[str, float | None]]) -> None:
    registry, our_registry = CollectorRegistry(), CollectorRegistry()
    theirs = Gauge("g", "Text.", ["one", "two"], registry=registry)
    ours = GaugeFamily("g", "Text.", ("one", "two"), registry=our_registry)
    there = set()
    for label, level in levels:
        if level is not None:
            theirs.labels(label, "x").set(level)
            ours.set((label, "x"), level)
            there.add(label)
        elif label in there:
            theirs.remove(label, "x")
            ours.remove((label, "x"))
            there.remove(label)
    assert shown(our_registry) == shown(registry)


def shown(registry: CollectorRegistry) -> list[bytes]:
    """What a scrape shows, without the births of series: ours have none."""
    return [line for line in generate_latest(registry).splitlines() if b"_created" not in line]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("vwxyz")), max_size=60))
def test_of_each_first_label_the_series_used_last_are_the_ones_shown(counted: list[tuple[str, str]]) -> None:
    registry = CollectorRegistry()
    ours = CounterFamily("c_total", "Text.", ("one", "two"), max_series=3, group_by=1, registry=registry)
    last: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    for one, two in counted:
        ours.add((one, two))
        last[one] = [*(label for label in last[one] if label != two), two][-3:]
    found = {(s.labels["one"], s.labels["two"]) for family in registry.collect() for s in family.samples}
    assert found == {(one, two) for one, twos in last.items() for two in twos}


def test_a_key_that_the_server_refuses_counts_until_it_takes_it() -> None:
    metrics = metrics_of()
    seen = []
    for event in (
        KeyFellBack(client="okta", kid="k1", refused="k2", reason="kid_refused"),
        KeyRefused(client="okta", file="/key", detail="/key: is empty.", kept=True),
        KeyFellBack(client="okta", kid="k1", refused="k2", reason="kid_refused"),
        KeyAccepted(client="okta", kid="k2"),
    ):
        metrics(event)
        seen.append(value(metrics, "key_refused", client="okta"))
    assert seen == [1, 2, 2, 1]


def test_clock_configuration_and_build_are_shown() -> None:
    metrics = metrics_of()
    assert value(metrics, "clock_offset_seconds", client="okta") is None
    metrics(ClockMeasured(client="okta", offset=-3.5, used=True))
    metrics(ConfigChanged(file="/c.yaml", stale=True))
    assert value(metrics, "clock_offset_seconds", client="okta") == -3.5
    assert value(metrics, "config_stale") == 1
    metrics(ConfigChanged(file="/c.yaml", stale=False))
    assert value(metrics, "config_stale") == 0
    assert value(metrics, "build_info", version=broker.__version__, python_version=platform.python_version()) == 1


def test_one_token_costs_at_most_80_series() -> None:
    metrics = metrics_of("users")
    for event in a_busy_week("users"):
        metrics(event)
    families = Counter(re.sub(r"_(bucket|count|sum)$", "", sample.name) for sample in samples(metrics))
    assert families.total() <= 80, families
    # Room is left for a fifth reason of a token's failures.
    assert families.total() + 1 <= 80


def test_a_further_token_costs_at_most_12_series() -> None:
    names = [f"token-{number}" for number in range(11)]
    counts = []
    for tokens in (names[:1], names):
        metrics = metrics_of(*tokens)
        for event in a_busy_week(*tokens):
            metrics(event)
        counts.append(sum(1 for _ in samples(metrics)))
    assert counts[1] - counts[0] <= 10 * 12


EVENTS = st.one_of(
    st.builds(
        Served, route=st.sampled_from(API_ROUTES + ADMIN_ROUTES), code=st.integers(200, 599), seconds=st.floats(0, 9)
    ),
    st.builds(Refused, reason=st.sampled_from(REFUSALS)),
    st.builds(lambda reason: failed(diagnosis=replace(SIGNATURE, reason=reason)), st.sampled_from(sorted(REASONS))),
    st.builds(key_loaded, st.text(max_size=5)),
    st.just(refreshed()),
)


@examples(max_examples=50)
@given(st.lists(EVENTS, min_size=50, max_size=300))
def test_no_sequence_of_events_costs_more_than_80_series(events: list[Event]) -> None:
    metrics = metrics_of("users")
    held: list[str] = []
    for event in events:
        metrics(event)
        if isinstance(event, KeyLoaded) and event.kid not in held:
            held.append(event.kid or "")
            if len(held) > 2:  # of the keys of a file two are in use at most
                metrics(retired(held.pop(0)))
    assert sum(1 for _ in samples(metrics)) <= 80


def test_the_reasons_seen_last_are_the_ones_shown() -> None:
    metrics = metrics_of()
    reasons = sorted(REASONS)[:6]
    for reason in (*reasons[:5], reasons[0], reasons[5]):
        metrics(failed(diagnosis=replace(SIGNATURE, reason=reason)))
    shown = {s.labels["reason"]: s.value for s in samples(metrics) if s.name == "token_broker_refresh_errors_total"}
    assert shown == {reasons[0]: 2, **dict.fromkeys(reasons[2:6], 1)}


def test_there_is_no_series_for_when_a_series_was_made() -> None:
    metrics = metrics_of()
    for event in a_busy_week("users"):
        metrics(event)
    assert b"_created" not in generate_latest(metrics.registry)
    assert b"_created" not in generate_openmetrics(metrics.registry)  # type: ignore[no-untyped-call]  # not annotated


def test_every_metric_is_ours_or_the_process() -> None:
    metrics = metrics_of()
    names = {sample.name for sample in samples(metrics)}
    assert all(name.startswith(("token_broker_", "process_")) for name in names)
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total"} <= names


def test_two_brokers_in_one_process_count_for_themselves() -> None:
    one, other = metrics_of(), metrics_of()
    one(Refused(reason="host"))
    assert value(other, "requests_refused_total", reason="host") is None


def test_promtool_finds_nothing_to_complain_about() -> None:
    promtool = needed("promtool", "prometheus")
    metrics = metrics_of("users", "reports")
    for event in a_busy_week("users", "reports"):
        metrics(event)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=generate_latest(metrics.registry), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_key_file_counts_as_refused_until_it_can_be_used_again() -> None:
    metrics = metrics_of()
    seen = [value(metrics, "key_refused", client="okta")]
    for event in (REFUSED_KEY, REFUSED_KEY, key_loaded(file=REFUSED_KEY.file)):
        metrics(event)
        seen.append(value(metrics, "key_refused", client="okta"))
    assert seen == [0, 1, 1, 0]
