"""The workload API over real sockets: what is handed out, to whom, and what is said when there is nothing."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from broker.core.diagnosis import Act, Diagnosis
from broker.core.durations import Duration
from broker.core.events import Refused, Served
from broker.core.settings import Limits
from broker.workload_api.server import ROUTES
from desk import MARK, SECRET, Desk, open_desk
from raw_http import ask, get, wire


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with open_desk() as one:
        yield one


async def test_a_held_token_is_answered_as_the_documentation_shows(desk: Desk) -> None:
    desk.put("users-api")
    desk.time += 8.75
    answer = await desk.get("/v1/tokens/users-api")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body == (
        f'{{"access_token":"{SECRET}","token_type":"Bearer","expires_in":291,"expires_at":1800,"scope":"a b"}}'.encode()
    )
    assert desk.handed_out == ["users-api"]
    assert desk.served == [("/v1/tokens/{name}", 200)]


async def test_no_answer_lets_another_origin_read_it(desk: Desk) -> None:
    desk.put("users-api")
    for target in ("/v1/tokens/users-api", "/v1/tokens/absent", "/"):
        answer = await desk.get(target)
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["cache-control"] == "no-store"


async def test_what_is_left_is_counted_on_the_boot_clock_and_dated_on_the_wall(desk: Desk) -> None:
    desk.put("users-api", lifetime=3600)
    desk.time += 100
    desk.wall_ahead += 7200  # somebody set the wall clock
    members = (await desk.get("/v1/tokens/users-api")).json
    assert members["expires_in"] == 3500
    assert members["expires_at"] == math.floor(desk.time + desk.wall_ahead + 3500)


async def test_what_is_left_is_never_below_one(desk: Desk) -> None:
    desk.put("users-api", lifetime=2)
    desk.time += 1.7
    assert (await desk.get("/v1/tokens/users-api")).json["expires_in"] == 1


async def test_an_expired_token_is_not_handed_out(desk: Desk) -> None:
    desk.put("users-api", lifetime=300)
    desk.time += 295
    answer = await desk.get("/v1/tokens/users-api")
    assert answer.status == 503
    assert SECRET.encode() not in answer.body
    assert desk.handed_out == []


async def test_plain_text_is_the_bare_token(desk: Desk) -> None:
    desk.put("users-api")
    answer = await desk.get("/v1/tokens/users-api", "Accept: text/plain")
    assert answer.body == SECRET.encode()
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


async def test_several_accept_headers_count_together(desk: Desk) -> None:
    desk.put("users-api")
    answer = await desk.get("/v1/tokens/users-api", "Accept: application/json;q=0.5", "Accept: text/plain")
    assert answer.body == SECRET.encode()


async def test_errors_are_plain_text_for_who_asked_for_it(desk: Desk) -> None:
    answer = await desk.get("/v1/tokens/users-api", "Accept: text/plain")
    assert answer.status == 503
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body.startswith(b"temporarily_unavailable: ")
    assert answer.body.count(b"\n") == 1


async def test_neither_json_nor_plain_text_is_not_acceptable(desk: Desk) -> None:
    desk.put("users-api")
    answer = await desk.get("/v1/tokens/users-api", "Accept: text/html")
    assert (answer.status, answer.json["error"]) == (406, "not_acceptable")
    assert desk.handed_out == []


async def test_a_head_request_has_the_head_alone_and_hands_nothing_out(desk: Desk) -> None:
    desk.put("users-api")
    async with wire(desk.addresses[0]) as one:
        await one.send(get("/v1/tokens/users-api", MARK, method="HEAD") + get("/", MARK))
        head = await one.answer(body=False)
        assert head.status == 200
        assert int(head.headers["content-length"]) > len(SECRET)
        assert (await one.answer()).status == 404
    assert desk.handed_out == []


async def test_the_only_token_needs_no_name() -> None:
    async with open_desk("users-api") as desk:
        desk.put("users-api")
        assert (await desk.get("/v1/token")).json["access_token"] == SECRET
        assert desk.served == [("/v1/token", 200)]
        assert desk.handed_out == ["users-api"]


async def test_the_token_called_default_needs_no_name() -> None:
    async with open_desk("users-api", "default") as desk:
        desk.put("default", text="the-default")
        assert (await desk.get("/v1/token")).json["access_token"] == "the-default"


async def test_several_tokens_without_a_default_need_a_name(desk: Desk) -> None:
    answer = await desk.get("/v1/token")
    assert (answer.status, answer.json["error"]) == (404, "unknown_token")
    assert "groups, users-api" in answer.json["error_description"]


@pytest.mark.parametrize("name", ["absent", "users%2Dapi", "USERS-API", "", "users-api;v=1", "users-api#", "%00"])
async def test_an_unknown_name_gets_the_list_of_names_and_no_echo(name: str, desk: Desk) -> None:
    desk.put("users-api")
    answer = await desk.get(f"/v1/tokens/{name}")
    assert (answer.status, answer.json["error"]) == (404, "unknown_token")
    assert answer.json["error_description"] == "There is no such token. You may ask for: groups, users-api."
    assert desk.served == [("/v1/tokens/{name}", 404)]


@pytest.mark.parametrize(
    "target",
    ["/", "/v1", "/v1/", "/v1/token/", "/v1/tokens", "/v1/tokens/users-api/", "/v1//tokens/users-api", "//v1/token"],
)
async def test_other_paths_are_not_found(target: str, desk: Desk) -> None:
    desk.put("users-api")
    answer = await desk.get(target)
    assert (answer.status, answer.json["error"]) == (404, "not_found")
    assert desk.served == [("other", 404)]


JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    ("target", "allow"),
    [
        ("/v1/tokens/users-api", "GET, HEAD"),
        ("/v1/token", "GET, HEAD"),
        ("/v1/tokens/users-api/rejected", "POST"),
        ("/v1/tokens/users-api/proof", "POST"),
        ("/oauth2/token", "POST"),
        ("/.well-known/oauth-authorization-server", "GET, HEAD"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "POST", "TRACE", "QUERY"])
async def test_a_path_says_what_it_takes(method: str, target: str, allow: str, desk: Desk) -> None:
    desk.put("users-api")
    if method in allow.split(", "):
        return
    answer = await desk.get(target, JSON, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, allow)
    if method != "HEAD":
        assert answer.json["error"] == "method_not_allowed"
    assert desk.handed_out == []


async def test_the_paths_that_there_are_are_told() -> None:
    for mode, expected in (("off", list(ROUTES[:4])), ("callers", list(ROUTES[:6]))):
        async with open_desk(token_endpoint=mode) as desk:
            answer = await desk.get("/v1/nothing")
            assert answer.json["error_description"].removeprefix("The workload API has: ").split() == expected


async def test_a_token_endpoint_that_is_off_is_not_there() -> None:
    async with open_desk(token_endpoint="off") as desk:
        for method in ("GET", "POST"):
            for target in ROUTES[4:6]:
                answer = await desk.get(target, method=method)
                assert (answer.status, answer.json["error"]) == (404, "not_found")
        assert desk.served == [("/oauth2/token", 404), (ROUTES[5], 404)] * 2


async def test_the_token_endpoint_is_behind_the_same_guard(desk: Desk) -> None:
    form = "Content-Type: application/x-www-form-urlencoded"
    for host, field, reason in (("localhost", "Origin: null", "browser"), ("evil.example", "Accept: */*", "host")):
        answer = await ask(desk.addresses[0], get("/oauth2/token", form, field, method="POST", host=host))
        assert (answer.status, answer.json["reason"]) == (403, reason)
    answer = await desk.get("/.well-known/oauth-authorization-server", "Via: 1.1 proxy")
    assert (answer.status, answer.json["reason"]) == (403, "forwarded")
    answer = await desk.get("/.well-known/oauth-authorization-server")
    assert answer.json["issuer"] == "http://localhost"


DNS = Diagnosis(
    reason="dns_failed",
    act=Act.SERVER,
    cause="The name acme.okta.com does not resolve.",
    fix="Check the pod's DNS.",
)


async def test_before_the_first_token_the_broker_says_that_it_is_starting(desk: Desk) -> None:
    answer = await desk.get("/v1/tokens/users-api")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json["error"] == "temporarily_unavailable"
    assert answer.json["reason"] == "starting"


async def test_a_token_that_ran_out_before_anything_failed_is_not_called_the_first(desk: Desk) -> None:
    """The machine was asleep."""
    desk.put("users-api")
    desk.time += 301
    answer = await desk.get("/v1/tokens/users-api")
    assert (answer.status, answer.json["reason"]) == (503, "expired")
    assert "It ran out and is being replaced." in answer.json["error_description"]


async def test_a_failure_is_told_with_reason_and_hint_and_never_with_the_servers_status(desk: Desk) -> None:
    desk.failures["users-api"] = DNS
    answer = await desk.get("/v1/tokens/users-api")
    assert answer.status == 503
    assert answer.json == {
        "error": "temporarily_unavailable",
        "error_description": "There is no valid token users-api now. The name acme.okta.com does not resolve.",
        "reason": "dns_failed",
        "hint": "Check the pod's DNS.",
    }


async def test_a_valid_token_is_not_withheld_because_a_refresh_failed(desk: Desk) -> None:
    desk.put("users-api")
    desk.failures["users-api"] = DNS
    assert (await desk.get("/v1/tokens/users-api")).status == 200


@pytest.mark.parametrize(
    ("ahead", "seconds"), [(-5, "1"), (0, "1"), (0.2, "1"), (1.2, "2"), (30, "30"), (59.5, "60"), (3600, "60")]
)
async def test_retry_after_is_when_the_next_attempt_is_due_within_a_minute(
    ahead: float, seconds: str, desk: Desk
) -> None:
    desk.next_at["users-api"] = desk.time + ahead
    assert (await desk.get("/v1/tokens/users-api")).headers["retry-after"] == seconds


async def test_who_waits_has_the_first_token_when_it_arrives(desk: Desk) -> None:
    asyncio.get_running_loop().call_later(0.1, desk.put, "users-api")
    answer = await desk.get("/v1/tokens/users-api?wait=5s")
    assert answer.json["access_token"] == SECRET
    (served,) = [event for event in desk.told if isinstance(event, Served)]
    assert served.seconds is None, "how long a client chose to wait is no measure of ours"


async def test_a_wait_in_vain_ends_as_unavailable(desk: Desk) -> None:
    began = time.monotonic()
    answer = await desk.get("/v1/tokens/users-api?wait=200ms")
    assert answer.status == 503
    assert 0.2 <= time.monotonic() - began < 1


async def test_a_wait_for_a_held_token_is_none(desk: Desk) -> None:
    desk.put("users-api")
    assert (await desk.get("/v1/tokens/users-api?wait=30s")).status == 200


async def test_waiters_take_at_most_half_of_the_connections() -> None:
    async with open_desk(max_connections=4) as desk:
        waiting = [asyncio.create_task(desk.get("/v1/tokens/users-api?wait=10s")) for _ in range(2)]
        await asyncio.sleep(0.1)
        assert (await desk.get("/v1/tokens/users-api?wait=10s")).status == 503
        desk.put("users-api")
        assert [answer.status for answer in await asyncio.gather(*waiting)] == [200, 200]
        assert (await desk.get("/v1/tokens/groups?wait=10ms")).status == 503, "room to wait again"


@pytest.mark.looptime
async def test_a_waiter_that_goes_away_makes_room() -> None:
    async with open_desk(max_connections=2) as desk:
        async with wire(desk.addresses[0]) as one:
            await one.send(get("/v1/tokens/users-api?wait=30s", MARK))
            await asyncio.sleep(1)
        await asyncio.sleep(3)
        assert desk.served == [("/v1/tokens/{name}", 499)]
        asyncio.get_running_loop().call_later(1, desk.put, "users-api")
        assert (await desk.get("/v1/tokens/users-api?wait=5s")).status == 200


async def test_a_query_that_is_not_understood_is_refused(desk: Desk) -> None:
    desk.put("users-api")
    answer = await desk.get("/v1/tokens/users-api?wait=s3cret")
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert b"s3cret" not in answer.body


@pytest.mark.parametrize("query", ["?", "?wait=0s", "?wait=1h0.5s&", "?wait=1s"])
async def test_a_query_that_asks_nothing_is_none(query: str, desk: Desk) -> None:
    desk.put("users-api")
    expected = 400 if "1h" in query else 200
    assert (await desk.get(f"/v1/tokens/users-api{query}")).status == expected


GUARDED = {
    "metadata_header": get("/v1/tokens/users-api"),
    "host": get("/v1/tokens/users-api", MARK, host="evil.example"),
    "forwarded": get("/v1/tokens/users-api", MARK, "X-Forwarded-For: 10.0.0.1"),
    "browser": get("/v1/tokens/users-api", MARK, "Origin: http://evil.example"),
    "target": get("http://localhost/v1/tokens/users-api", MARK),
    "content_type": get("/v1/tokens/users-api", MARK, method="POST", body=b"{}"),
}


@pytest.mark.parametrize("reason", GUARDED)
async def test_the_guard_stands_before_everything(reason: str, desk: Desk) -> None:
    desk.put("users-api")
    answer = await ask(desk.addresses[0], GUARDED[reason])
    assert answer.status == (415 if reason == "content_type" else 403)
    assert answer.json["reason"] == reason
    assert b"evil" not in answer.body
    assert SECRET.encode() not in answer.body
    assert Refused(reason=reason) in desk.told
    assert desk.handed_out == []


async def test_the_header_is_not_needed_where_the_configuration_waives_it() -> None:
    async with open_desk(require_header=False, allowed_hosts=("broker.internal",)) as desk:
        desk.put("users-api")
        answer = await ask(desk.addresses[0], get("/v1/tokens/users-api", host="broker.internal:7180"))
        assert answer.status == 200


async def test_no_host_is_asked_for_on_a_socket(tmp_path: Path) -> None:
    async with open_desk(listen=(f"unix:{tmp_path}/api.sock",)) as desk:
        desk.put("users-api")
        assert (await ask(desk.addresses[0], get("/v1/token", MARK, host="x"))).status == 404
        assert (await ask(desk.addresses[0], get("/v1/tokens/users-api", MARK, host="x"))).status == 200


PREFLIGHT = ["Origin: http://evil.example", "Access-Control-Request-Method: GET"]


@pytest.mark.parametrize("target", [*ROUTES[:6], "/v1/tokens/users-api"])
async def test_a_preflight_is_refused_as_anything_from_a_page(target: str, desk: Desk) -> None:
    desk.put("users-api")
    answer = await desk.get(target, *PREFLIGHT, "Access-Control-Request-Headers: metadata", method="OPTIONS")
    assert (answer.status, answer.json["reason"]) == (403, "browser")
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert "allow" not in answer.headers


async def test_an_offer_to_upgrade_is_declined_by_serving_it(desk: Desk) -> None:
    """As the JDK's HttpClient asks."""
    desk.put("users-api")
    upgrade = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk"]
    async with wire(desk.addresses[0]) as one:
        for _ in range(3):
            answer = await one.ask(get("/v1/tokens/users-api", MARK, *upgrade))
            assert (answer.status, answer.json["access_token"]) == (200, SECRET)
            assert "upgrade" not in answer.headers
        assert (await one.ask(get("/v1/tokens/users-api", MARK))).status == 200


async def test_http_1_0_is_answered_and_hung_up_on_unless_it_asks_to_stay(desk: Desk) -> None:
    desk.put("users-api")
    head = get("/v1/tokens/users-api", MARK).replace(b"HTTP/1.1", b"HTTP/1.0")
    async with wire(desk.addresses[0]) as one:
        assert (await one.ask(head)).json["access_token"] == SECRET
        assert await one.rest() == b""
    async with wire(desk.addresses[0]) as one:
        for _ in range(2):
            stay = head.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")
            assert (await one.ask(stay)).json["access_token"] == SECRET
    nameless = head.replace(b"Host: localhost\r\n", b"")
    answer = await ask(desk.addresses[0], nameless)
    assert (answer.status, answer.json["reason"]) == (403, "host")


async def test_requests_that_come_together_are_answered_in_their_order(desk: Desk) -> None:
    desk.put("users-api")
    desk.put("groups", text="groups-token")
    asked = ["users-api", "groups", "absent", "users-api"]
    async with wire(desk.addresses[0]) as one:
        await one.send(b"".join(get(f"/v1/tokens/{name}", MARK) for name in asked))
        answers = [await one.answer() for _ in asked]
    assert [answer.json.get("access_token", answer.status) for answer in answers] == [
        SECRET,
        "groups-token",
        404,
        SECRET,
    ]


async def test_two_hosts_are_refused_whatever_they_say(desk: Desk) -> None:
    desk.put("users-api")
    for extra in ("Host: localhost", "host: evil.example"):
        answer = await desk.get("/v1/tokens/users-api", extra)
        assert answer.status == 400
        assert SECRET.encode() not in answer.body
    assert desk.handed_out == []


def post(body: bytes = b"", *fields: str) -> bytes:
    return get("/v1/token", MARK, "Content-Type: application/json", *fields, method="POST", body=body)


async def test_a_body_is_read_before_the_next_request(desk: Desk) -> None:
    async with wire(desk.addresses[0]) as one:
        assert (await one.ask(post(b"x" * 65536))).status == 405
        chunked = post(b"", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n"
        assert (await one.ask(chunked)).status == 405
        assert (await one.ask(get("/", MARK))).status == 404


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused_and_the_connection_closed(*, chunked: bool, desk: Desk) -> None:
    async with wire(desk.addresses[0]) as one:
        if chunked:
            await one.send(post(b"", "Transfer-Encoding: chunked") + b"10001\r\n" + b"x" * 0x10001 + b"\r\n0\r\n\r\n")
        else:
            await one.send(post(b"x" * 0x10001))
        answer = await one.answer()
        assert (answer.status, answer.json["error"]) == (413, "content_too_large")
        assert "65536 bytes" in answer.json["error_description"]
        assert await one.rest() == b""


async def test_how_much_and_for_how_long_is_for_the_configuration_to_say() -> None:
    async with open_desk(limits=Limits(body=1024, body_timeout=Duration(0.2))) as desk:
        answer = await ask(desk.addresses[0], post(b"x" * 1025))
        assert (answer.status, answer.json["error_description"]) == (413, "A body may have 1024 bytes.")
        answer = await ask(desk.addresses[0], post(b"", "Content-Length: 1024"))
        assert (answer.status, answer.json["error_description"]) == (408, "A body may take 0.2 s.")


async def test_a_body_that_is_not_chunked_as_announced_is_malformed(desk: Desk) -> None:
    async with wire(desk.addresses[0]) as one:
        await one.send(post(b"", "Transfer-Encoding: chunked"))
        await asyncio.sleep(0.05)
        answer = await one.ask(b"s3cret\r\n")
        assert (answer.status, answer.json["error"]) == (400, "invalid_request")
        assert await one.rest() == b""
    assert desk.told == [Refused(reason="malformed"), Served(route="/v1/token", code=400, seconds=0.0)]


async def test_a_client_that_asks_whether_to_send_its_body_is_told_to(desk: Desk) -> None:
    async with wire(desk.addresses[0]) as one:
        await one.send(post(b"", "Content-Length: 5", "Expect: 100-continue"))
        assert await one.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await one.ask(b"hello")).status == 405
        refused = await one.ask(post(b"", "Content-Length: 99999", "Expect: 100-continue"))
        assert refused.status == 413, "before it has sent it"


@pytest.mark.looptime
async def test_a_body_that_dribbles_is_given_up() -> None:
    async with open_desk() as desk, wire(desk.addresses[0]) as one:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await one.send(post(b"", "Content-Length: 100"))
        for _ in range(9):
            await asyncio.sleep(1)
            await one.send(b"x")
        head = await one.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert loop.time() - began == pytest.approx(10, abs=1)


async def test_a_bug_is_counted_as_a_500() -> None:
    async with open_desk() as desk:
        desk.put("users-api", text=None)  # type: ignore[arg-type]  # the bug
        assert (await desk.get("/v1/tokens/users-api", "Accept: text/plain")).status == 500
        assert desk.served == [("/v1/tokens/{name}", 500)]


async def test_a_request_is_timed(desk: Desk) -> None:
    desk.put("users-api")
    desk.handout._now = iter([1.0, 1.25]).__next__
    await desk.get("/v1/tokens/users-api", "Connection: close")  # answered in full
    assert Served(route="/v1/tokens/{name}", code=200, seconds=0.25) in desk.told


TARGETS = st.sampled_from([*ROUTES, "/v1/tokens/users-api", "/v1/tokens/users-api/rejected", "/", "http://x/", "*"])
FIELDS = st.sampled_from([MARK, "Origin: x", "Accept: text/plain", "Accept: x/y", "Via: x", "Content-Type: text/plain"])
HEADS = st.builds(
    lambda target, query, fields, method, host: get(target + query, *fields, method=method, host=host),
    TARGETS,
    st.sampled_from(["", "?wait=0s", "?wait=1ms", "?x=1", "?min_ttl=1s", "?min_ttl=9h"]),
    st.lists(FIELDS, max_size=4),
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "DELETE", "CONNECT"]),
    st.sampled_from(["localhost", "127.0.0.1:7180", "evil.example"]),
)


@examples(max_examples=40)
@given(st.lists(HEADS, min_size=1, max_size=20))
def test_whatever_is_asked_no_token_leaves_without_the_header_and_a_good_host(heads: list[bytes]) -> None:
    async def ask_all() -> list[tuple[bytes, bytes]]:
        async with open_desk() as desk:
            desk.put("users-api")
            answers = [(head, await until_closed(desk.addresses[0], head)) for head in heads]
            assert {route for route, _ in desk.served} <= set(ROUTES)
            return answers

    async def until_closed(address: str, head: bytes) -> bytes:
        async with wire(address) as one:
            await one.send(head)
            one.writer.write_eof()
            return await one.rest()

    for head, answer in asyncio.run(ask_all()):
        assert b"access-control" not in answer.lower()
        assert not answer.startswith(b"HTTP/1.1 500")
        if SECRET.encode() in answer:
            assert MARK.encode() in head
            assert b"evil" not in head
            assert b"Origin" not in head
            assert b"Via" not in head
            assert head.startswith(b"GET /v1/tokens/users-api")


async def test_the_answer_is_json_whatever_the_server_called_its_scopes(desk: Desk) -> None:
    desk.put("users-api", text='quote"\\', scope='read:"all" é')
    members = (await desk.get("/v1/tokens/users-api")).json
    assert (members["access_token"], members["scope"]) == ('quote"\\', 'read:"all" é')
