"""What the response cache keeps, for how long, how it counts, and that it never answers what the guard refuses."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from broker.core.events import Crashed, HandedOut, Served
from broker.core.settings import CallerSettings
from broker.http_server import Peer
from broker.workload_api.guard import Guard
from broker.workload_api.head import DECIDING_FIELDS, Head
from broker.workload_api.response_cache import MAX_CACHED_BODY, MAX_DECISIONS
from desk import MARK, Desk, open_desk
from raw_http import Wire, get, wire

FoundResponse: TypeAlias = Callable[[], bytes | None] | None
TCP = Peer(over_unix=False, uid=None)
SECRET = "secret-of-reports-1"
#: Values of `traceparent` of one length; the last holds a field that the guard refuses.
TRACES = [
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
    "00-4bf92f3577b3\r\nOrigin: http://evil.example\r\nX: 2b7-00",
]


def hits(desk: Desk) -> int:
    return sum(event.times for event in desk.told if isinstance(event, Served) and event.seconds is None)


async def test_cached_answers_are_counted_within_a_second() -> None:
    async with open_desk("only") as desk:
        desk.put("only")
        async with wire(desk.addresses[0]) as one:
            for _ in range(5):
                await one.ask(get("/v1/token", MARK))
            assert hits(desk) == 0
            await asyncio.sleep(1.1)
    assert hits(desk) == 4
    assert sum(event.times for event in desk.told if isinstance(event, HandedOut)) == 5


async def test_cached_answers_are_counted_when_the_client_has_left() -> None:
    async with open_desk("only") as desk:
        desk.put("only")
        async with wire(desk.addresses[0]) as one:
            for _ in range(3):
                await one.ask(get("/v1/token", MARK))
        await asyncio.sleep(1.1)
    assert hits(desk) == 2


async def test_first_answer_of_a_kind_is_timed() -> None:
    async with open_desk("only") as desk:
        desk.put("only")
        for accept in ("Accept: */*", "Accept: text/plain"):
            async with wire(desk.addresses[0]) as one:
                for _ in range(3):
                    await one.ask(get("/v1/token", MARK, accept))
    timed = [event for event in desk.told if isinstance(event, Served) and event.seconds is not None]
    assert [(event.route, event.code, event.times) for event in timed] == [("/v1/token", 200, 1)] * 2


async def test_differing_heads_share_one_decision_across_connections() -> None:
    async with open_desk("only") as desk:
        desk.put("only")
        for number in range(5):
            async with wire(desk.addresses[0]) as one:
                for trace in TRACES[:2]:
                    fields = (f"X-Request-ID: {number}", f"traceparent: {trace}", f"User-Agent: a b/{number}")
                    assert (await one.ask(get("/v1/token", MARK, *fields))).status == 200
        assert len(desk.served) == 1


async def test_field_smuggled_into_a_traceparent_is_refused() -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only")
        statuses = [
            (await one.ask(get("/v1/token", MARK, f"traceparent: {trace}"))).status for trace in (*TRACES, *TRACES)
        ]
    assert statuses == [200, 200, 403, 200, 200, 403]
    assert desk.served == [("/v1/token", 200), ("/v1/token", 403), ("/v1/token", 403)]


async def test_date_is_now_in_a_cached_answer() -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only")
        for _ in range(12):
            before = int(time.time())
            date = parsedate_to_datetime((await one.ask(get("/v1/token", MARK))).headers["date"]).timestamp()
            assert before <= date <= time.time()
            await asyncio.sleep(0.1)


async def test_a_new_token_is_handed_out_at_once() -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only", text="first")
        assert [await token(one), await token(one)] == ["first", "first"]
        desk.put("only", text="second")
        assert [await token(one), await token(one)] == ["second", "second"]


async def test_an_expired_token_is_never_handed_out_from_memory() -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only", lifetime=100.0)
        for at, status in [(0, 200), (50.0, 200), (94.999, 200), (95.0, 503)]:
            desk.time = 1000.0 + at
            assert (await one.ask(get("/v1/token", MARK))).status == status


async def test_it_is_not_even_when_a_part_of_a_second_is_given_up() -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only", lifetime=2.5)  # of which the last quarter of a second
        for at, status in [(0, 200), (2.1, 200), (2.24, 200), (2.26, 503)]:
            desk.time = 1000.0 + at
            assert (await one.ask(get("/v1/token", MARK))).status == status


@pytest.mark.parametrize("query", ["?min_ttl=10s", "?wait=1ms"])
async def test_a_wish_is_always_answered_in_full(query: str) -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only")
        for _ in range(3):
            assert (await one.ask(get(f"/v1/token{query}", MARK))).status == 200
        assert desk.served == [("/v1/token", 200)] * 3


async def test_the_seconds_that_are_left_are_told_as_they_are() -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only", lifetime=100.0)
        said = []
        for _ in range(30):
            desk.time += 0.31
            said.append(((await one.ask(get("/v1/token", MARK))).json["expires_in"], int(1100.0 - desk.time)))
    assert [left for left, _ in said] == [right for _, right in said]


async def test_a_secret_that_is_no_longer_valid_ends_what_was_remembered(tmp_path: Path) -> None:
    file = tmp_path / "reports"
    file.write_text(SECRET)
    head = get("/v1/token", MARK, f"Authorization: Bearer {SECRET}")
    async with (
        open_desk("only", callers={"reports": CallerSettings(secret_file=str(file))}) as desk,
        wire_to(desk) as one,
    ):
        desk.put("only")
        assert [(await one.ask(head)).status for _ in range(3)] == [200] * 3
        file.write_text("another-secret-of-nobody")
        await desk.callers.reload()
        assert (await one.ask(head)).status == 401


async def test_without_fast_path_every_request_is_answered_in_full() -> None:
    async with open_desk("only", fast_path=False) as desk, wire_to(desk) as one:
        desk.put("only")
        for _ in range(3):
            await token(one)
    assert len([event for event in desk.told if isinstance(event, Served) and event.seconds is not None]) == 3


@pytest.mark.parametrize("hosts", [[], ["Host: x", "Host: x"]])
async def test_request_without_one_host_is_malformed_on_a_unix_socket_too(hosts: list[str], tmp_path: Path) -> None:
    async with open_desk("only", listen=(f"unix:{tmp_path}/api.sock",)) as desk, wire_to(desk) as one:
        desk.put("only")
        assert await token(one)
        head = "\r\n".join(["GET /v1/token HTTP/1.1", *hosts, MARK, "", ""])
        assert (await one.ask(head.encode())).status == 400


async def test_cached_answer_belongs_to_the_uid_it_was_decided_for(tmp_path: Path) -> None:
    callers = {"mine": CallerSettings(uid=os.getuid())}
    listen = (f"unix:{tmp_path}/api.sock", "127.0.0.1:0")
    async with open_desk("only", listen=listen, lists={"only": ("mine",)}, callers=callers) as desk:
        desk.put("only")
        for _ in range(2):
            statuses = []
            for address in desk.addresses:
                async with wire(address) as one:
                    statuses += [(await one.ask(get("/v1/token", MARK))).status for _ in range(2)]
            assert statuses == [200, 200, 401, 401]


def find(desk: Desk, *fields: str, target: str = "/v1/token", **more: str) -> FoundResponse:
    assert desk.handout.find_response
    return desk.handout.find_response(get(target, *fields, **more), TCP)  # type: ignore[arg-type]  # a host or a method


def test_a_decision_is_kept_until_128_others_are_used() -> None:
    desk = Desk(("only",))
    desk.put("only")
    first = find(desk, MARK)
    assert first is not None
    for number in range(MAX_DECISIONS - 1):
        assert find(desk, MARK, f"Accept: */*, a/{number}") is not None
    assert find(desk, MARK) is first
    assert find(desk, MARK, "Accept: */*, a/b") is not None
    assert find(desk, MARK) is first
    for number in range(MAX_DECISIONS):
        assert find(desk, MARK, f"Accept: */*, a/{number}") is not None
    assert find(desk, MARK) is not first


async def test_a_large_answer_is_not_cached() -> None:
    desk = Desk(("only",))
    desk.put("only", text="x" * MAX_CACHED_BODY)
    assert find(desk, MARK) is None
    response = find(desk, MARK, "Accept: text/plain")
    assert response is not None
    desk.put("only", text="x" * (MAX_CACHED_BODY + 1))
    assert [response(), response()] == [None, None], "nor when the token becomes larger"


async def test_defect_in_the_cache_costs_one_request_and_is_reported() -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only", text=None)  # type: ignore[arg-type]  # the defect
        assert (await one.ask(get("/v1/token", MARK, "Accept: text/plain"))).status == 500
        crashes = [event.where.endswith(" encode") for event in desk.told if isinstance(event, Crashed)]
        assert crashes == [True, True], "the full path meets it too"
        assert await one.rest() == b""


async def test_the_cache_keeps_no_secret_of_a_caller(tmp_path: Path) -> None:
    file = tmp_path / "reports"
    file.write_text(SECRET)
    desk = Desk(("only",), callers={"reports": CallerSettings(secret_file=str(file))})
    await desk.callers.load()
    desk.put("only")
    assert find(desk, MARK, f"Authorization: Bearer {SECRET}") is not None
    assert desk.handout.find_response
    cache = desk.handout.find_response.__self__  # type: ignore[attr-defined]  # a bound method
    assert [len(digest) for digest, _ in cache._responses] == [32]
    assert SECRET not in repr(list(cache._responses.items()))


guard = Guard(require_header=True, allowed_hosts=[])
#: In every spelling a client may have, at every place; the guard alone says which of them it refuses.
other_fields = st.builds(
    lambda name, spell, value: f"{spell(name.replace('*', 'for'))}: {value}",
    st.sampled_from([*DECIDING_FIELDS, "User-Agent", "X-Request-ID", "traceparent", "X-Forwarded", "Origins", "X-Via"]),
    st.sampled_from([str.lower, str.upper, str.title]),
    st.sampled_from(
        ["true", "localhost", "127.0.0.1:1", "evil.example", "*/*", "", "host: localhost", "metadata:true"]
    ),
)


heads = st.tuples(st.permutations(["Host: localhost", MARK]), st.lists(other_fields, max_size=4))


@given(st.lists(heads, min_size=2))
@settings(max_examples=300)
def test_what_the_guard_refuses_is_never_answered_whatever_came_before(some: list[tuple[list[str], list[str]]]) -> None:
    desk = Desk(("only",))
    desk.put("only")
    assert desk.handout.find_response
    for good, more in [*some, *some]:
        fields = [*more[:1], *good, *more[1:]]
        head = "\r\n".join(["GET /v1/token HTTP/1.1", *fields, "", ""]).encode()
        pairs = CIMultiDict((name, value.strip()) for name, _, value in (field.partition(":") for field in fields))
        if guard("GET", "/v1/token", Head(pairs), over_unix=False):
            assert desk.handout.find_response(head, TCP) is None


def test_a_rule_on_a_field_that_the_cache_ignores_cannot_be_written() -> None:
    with pytest.raises(KeyError):
        Head(CIMultiDict({"X-New": "1"})).values("x-new")


@asynccontextmanager
async def wire_to(desk: Desk) -> AsyncIterator[Wire]:
    async with wire(desk.addresses[0]) as one:
        yield one


async def token(one: Wire) -> str:
    said = (await one.ask(get("/v1/token", MARK))).json["access_token"]
    assert isinstance(said, str)
    return said
