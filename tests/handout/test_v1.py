"""Callers, `min_ttl` and reports over real sockets."""

import asyncio
import hashlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from broker.core.errors import NetworkError
from broker.core.events import HandedOut, RefreshForced, Refused
from broker.core.settings import ANONYMOUS, CallerSettings
from broker.workload_api.routes import DEFAULT
from broker.workload_api.v1.api import ApiRequest
from desk import MARK, SECRET, Desk, open_desk
from programs.installed import needed
from raw_http import Answer, ask, get, wire

REPORTS, EXPORTER = "reports-0123456789abcdef", "exporter-0123456789abcdef"
LISTS = {"users-api": ("reports",), "logs": (ANONYMOUS,)}
NAMES = ("users-api", "groups", "logs")


def bearer(secret: str) -> str:
    return f"Authorization: Bearer {secret}"


def callers(folder: Path) -> dict[str, CallerSettings]:
    (folder / "reports").write_text(REPORTS)
    (folder / "exporter").write_text(EXPORTER)
    return {name: CallerSettings(secret_file=str(folder / name)) for name in ("reports", "exporter")}


@asynccontextmanager
async def guarded_desk(folder: Path) -> AsyncIterator[Desk]:
    """`users-api` is for `reports`, `groups` for any caller, `logs` for everyone."""
    async with open_desk(*NAMES, lists=LISTS, callers=callers(folder)) as desk:
        for name in NAMES:
            desk.put(name, text=f"{SECRET}-{name}")
        desk.told.clear()
        yield desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with guarded_desk(tmp_path) as one:
        yield one


def refused(desk: Desk) -> list[str]:
    return [event.reason for event in desk.told if isinstance(event, Refused)]


async def test_a_caller_gets_what_it_may_have_under_its_own_name(desk: Desk) -> None:
    for secret, name in ((REPORTS, "users-api"), (REPORTS, "groups"), (EXPORTER, "groups"), (EXPORTER, "logs")):
        answer = await desk.get(f"/v1/tokens/{name}", bearer(secret))
        assert (answer.status, answer.json["access_token"]) == (200, f"{SECRET}-{name}")
    assert [(event.caller, event.token) for event in desk.told if isinstance(event, HandedOut)] == [
        ("reports", "users-api"),
        ("reports", "groups"),
        ("exporter", "groups"),
        ("exporter", "logs"),
    ]
    assert REPORTS not in repr(desk.told)


async def test_what_is_open_on_purpose_needs_no_secret(desk: Desk) -> None:
    assert (await desk.get("/v1/tokens/logs")).status == 200
    assert [event.caller for event in desk.told if isinstance(event, HandedOut)] == [ANONYMOUS]


@pytest.mark.parametrize("name", ["users-api", "groups"])
async def test_who_sends_no_secret_is_asked_for_one(name: str, desk: Desk) -> None:
    answer = await desk.get(f"/v1/tokens/{name}")
    assert (answer.status, answer.json["error"], answer.json["reason"]) == (401, "invalid_caller", "caller")
    assert answer.headers["www-authenticate"] == 'Bearer realm="token-broker"'
    assert "api.callers" in answer.json["error_description"]
    assert refused(desk) == ["caller"]
    assert desk.served == [("/v1/tokens/{name}", 401)]


@pytest.mark.parametrize(
    "fields",
    [
        (bearer("wrong-0123456789abcdef"),),
        (bearer(""),),
        ("Authorization: Bearer",),
        ("Authorization:",),
        (f"Authorization: {REPORTS}",),
        (f"Authorization: Basic {REPORTS}",),
        (bearer(f"{REPORTS}, x"),),
        (bearer(REPORTS[:-1]),),
        (bearer("é" * 20),),
        (bearer(REPORTS), bearer(EXPORTER)),
        (bearer(REPORTS), bearer(REPORTS)),
    ],
)
@pytest.mark.parametrize("name", ["users-api", "logs", "absent"])
async def test_a_secret_that_nobody_has_is_refused_even_where_none_is_needed(
    name: str, fields: tuple[str, ...], desk: Desk
) -> None:
    answer = await desk.get(f"/v1/tokens/{name}", *fields)
    assert (answer.status, answer.json["reason"]) == (401, "caller")
    assert refused(desk) == ["caller"]
    assert desk.handed_out == []
    assert b"0123456789abcdef" not in answer.body


@pytest.mark.parametrize("field", [f"authorization: bearer {REPORTS}", f"AUTHORIZATION: BEARER   {REPORTS}  "])
async def test_the_scheme_is_read_in_any_case(field: str, desk: Desk) -> None:
    assert (await desk.get("/v1/tokens/users-api", field)).status == 200


def test_a_request_shows_no_secret_to_who_prints_it() -> None:
    request = ApiRequest("GET", DEFAULT, "", "", (f"Bearer {REPORTS}",), "json", None)
    assert REPORTS not in f"{request} {request!r}"
    assert "GET" in repr(request)


async def test_a_caller_that_is_not_on_the_list_is_told_where_the_list_is(desk: Desk) -> None:
    answer = await desk.get("/v1/tokens/users-api", bearer(EXPORTER))
    assert (answer.status, answer.json["error"], answer.json["reason"]) == (403, "forbidden", "permission")
    assert "tokens.users-api.callers" in answer.json["error_description"]
    assert "www-authenticate" not in answer.headers
    assert refused(desk) == ["permission"]
    assert desk.handed_out == []


@pytest.mark.parametrize(
    ("fields", "names"),
    [((), "logs"), ((bearer(REPORTS),), "groups, logs, users-api"), ((bearer(EXPORTER),), "groups, logs")],
)
async def test_an_unknown_name_gets_the_names_that_this_caller_may_use(
    fields: tuple[str, ...], names: str, desk: Desk
) -> None:
    for target in ("/v1/tokens/absent", "/v1/token"):
        answer = await desk.get(target, *fields)
        assert (answer.status, answer.json["error"]) == (404, "unknown_token")
        assert answer.json["error_description"].endswith(f" You may ask for: {names}.")


async def test_who_may_have_nothing_is_told_what_is_missing(tmp_path: Path) -> None:
    async with open_desk("a", "b", callers=callers(tmp_path)) as desk:
        answer = await desk.get("/v1/tokens/absent")
        assert answer.status == 404
        assert answer.json["error_description"].endswith(" None is open to who sends no caller's secret.")


async def test_the_token_that_needs_no_name_is_the_same_one_for_every_caller(tmp_path: Path) -> None:
    async with open_desk("a", "default", lists={"a": ("exporter",)}, callers=callers(tmp_path)) as desk:
        desk.put("default", text="the-default")
        for secret in (REPORTS, EXPORTER):
            assert (await desk.get("/v1/token", bearer(secret))).json["access_token"] == "the-default"
        assert (await desk.get("/v1/token")).status == 401


async def test_without_callers_a_secret_is_ignored() -> None:
    async with open_desk("a") as desk:
        desk.put("a")
        assert (await desk.get("/v1/tokens/a", bearer("x"), "Authorization: Basic y")).status == 200
        assert [event.caller for event in desk.told if isinstance(event, HandedOut)] == [ANONYMOUS]


async def test_the_guard_stands_before_the_secret(desk: Desk) -> None:
    answer = await ask(desk.addresses[0], get("/v1/tokens/users-api", bearer(REPORTS)))
    assert (answer.status, answer.json["reason"]) == (403, "metadata_header")
    answer = await desk.get("/v1/tokens/users-api", bearer(REPORTS), "X-Forwarded-For: 10.0.0.1")
    assert (answer.status, answer.json["reason"]) == (403, "forwarded")


async def test_a_changed_secret_counts_from_when_it_was_read(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("changed-0123456789abcdef")
    async with wire(desk.addresses[0]) as one:
        old, new = (get("/v1/tokens/users-api", MARK, bearer(s)) for s in (REPORTS, "changed-0123456789abcdef"))
        assert [(await one.ask(head)).status for head in (old, new, old)] == [200, 401, 200]
        await desk.callers.reload()
        assert [(await one.ask(head)).status for head in (old, new, old, new)] == [401, 200, 401, 200]


# A user of its own: a program of the system, since the tests' Python may be out of its reach.


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """pytest's own are closed to others."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def asked_as(uid: int | None, path: Path, name: str) -> tuple[int, str]:
    """Status and body of an answer to who runs as `uid`."""
    curl = [needed("curl", "curl"), "-s", "-H", MARK, "--unix-socket", str(path), "-w", "\n%{http_code}"]
    done = subprocess.run(
        [*curl, f"http://localhost/v1/tokens/{name}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


@asynccontextmanager
async def socket_desk(folder: Path, uid: int) -> AsyncIterator[tuple[Desk, Path]]:
    path = folder / "api.sock"
    async with open_desk(
        "users-api",
        "groups",
        lists={"users-api": ("worker",)},
        listen=(f"unix:{path}",),
        callers={"worker": CallerSettings(uid=uid), "other": CallerSettings(uid=uid + 1)},
    ) as desk:
        desk.put("users-api")
        desk.put("groups")
        yield desk, path


async def test_on_a_socket_a_workload_is_the_user_it_runs_as(tmp_path: Path) -> None:
    async with socket_desk(tmp_path, os.geteuid()) as (desk, path):
        for name in ("users-api", "groups"):
            assert (await asyncio.to_thread(asked_as, None, path, name))[0] == 200
        assert [event.caller for event in desk.told if isinstance(event, HandedOut)] == ["worker", "worker"]
        # A secret means more than the user, and this is nobody's.
        assert (await desk.get("/v1/tokens/groups", bearer(REPORTS))).status == 401


@pytest.mark.skipif(os.geteuid() != 0, reason="rights: only root may become another user")
async def test_another_user_is_another_caller_and_a_stranger_is_none(open_folder: Path) -> None:
    async with socket_desk(open_folder, 4001) as (desk, path):
        path.chmod(0o666)  # who may connect at all is for the file system to say
        expected = {
            (4001, "users-api"): (200, "worker"),
            (4002, "users-api"): (403, "permission"),
            (4002, "groups"): (200, "other"),
            (4003, "users-api"): (401, "caller"),
            (4003, "groups"): (401, "caller"),
            (None, "groups"): (401, "caller"),  # root is nobody in particular
        }
        for (uid, name), (status, word) in expected.items():
            desk.told.clear()
            assert (await asyncio.to_thread(asked_as, uid, path, name))[0] == status
            told = [event for event in desk.told if isinstance(event, HandedOut | Refused)]
            assert [getattr(event, "caller", None) or getattr(event, "reason", None) for event in told] == [word]


async def test_a_user_id_means_nothing_over_tcp(tmp_path: Path) -> None:
    socket = f"unix:{tmp_path}/api.sock"
    mine = {"worker": CallerSettings(uid=os.geteuid())}
    async with open_desk("a", listen=("127.0.0.1:0", socket), callers=mine) as desk:
        desk.put("a")
        over_tcp, over_unix = [await ask(address, get("/v1/token", MARK)) for address in desk.addresses]
        assert (over_tcp.status, over_unix.status) == (401, 200)


# min_ttl


@asynccontextmanager
async def fetching(desk: Desk, *, takes: float = 0.0) -> AsyncIterator[None]:
    """The desk's refreshers run and have a token; each further one takes `takes` seconds."""
    loops = [asyncio.create_task(refresher.run()) for refresher in desk.refreshers.values()]
    for name in desk.tokens:
        assert await desk.store.wait(name, 5)
    desk.told.clear()
    desk.takes = takes
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def test_a_token_that_lives_long_enough_is_answered_at_once() -> None:
    async with open_desk("a") as desk, fetching(desk):
        desk.time += 360
        answer = await desk.get("/v1/token?min_ttl=3240s")
        assert answer.json["expires_in"] == 3240
        assert desk.fetched == 1


async def test_one_that_does_not_is_replaced_first() -> None:
    async with open_desk("a") as desk, fetching(desk, takes=0.1):
        desk.time += 600
        answer = await desk.get("/v1/token?min_ttl=1h", bearer("x"))
        assert (answer.status, answer.json["error_description"]) == (
            400,
            "The query parameter min_ttl is at most 3240s here, 90 % of the token's lifetime.",
        )
        answer = await desk.get("/v1/token?min_ttl=3240s")
        assert answer.json["access_token"] == f"{SECRET}-2"
        assert answer.json["expires_in"] == 3600
        assert RefreshForced(token="a", caller=ANONYMOUS, cause="min_ttl") in desk.told


async def test_if_that_fails_the_held_one_is_answered_with_what_it_really_has_left() -> None:
    async with open_desk("a") as desk, fetching(desk):
        desk.time += 600
        desk.trouble = NetworkError("connect", "idp:443", "refused")
        for _ in range(2):
            answer = await desk.get("/v1/token?min_ttl=3240s")
            assert (answer.status, answer.json["expires_in"]) == (200, 3000)
        assert desk.fetched == 2


async def test_a_token_that_dies_while_a_longer_one_is_waited_for_is_not_answered() -> None:
    async with open_desk("a") as desk, fetching(desk, takes=0.2):
        desk.time += 3594
        desk.trouble = NetworkError("connect", "idp:443", "refused")
        asyncio.get_running_loop().call_later(0.1, setattr, desk, "time", desk.time + 10)
        assert (await desk.get("/v1/token?min_ttl=60s")).status == 503


async def test_without_a_token_min_ttl_waits_for_none_unless_told_to() -> None:
    async with open_desk("a") as desk:
        assert (await desk.get("/v1/token?min_ttl=60s")).status == 503
        asyncio.get_running_loop().call_later(0.1, desk.put, "a")
        answer = await desk.get("/v1/token?min_ttl=60s&wait=5s")
        assert answer.json["access_token"] == SECRET
        asyncio.get_running_loop().call_later(0.1, desk.put, "a")
        assert (await desk.get("/v1/token?min_ttl=271s&wait=5s")).status == 400


async def test_who_waits_for_min_ttl_counts_among_those_that_wait() -> None:
    async with open_desk("a", "b", max_connections=2) as desk, fetching(desk):
        desk.time += 600
        desk.takes = 0.5
        waiting = asyncio.create_task(desk.get("/v1/tokens/a?min_ttl=3240s"))
        await asyncio.sleep(0.1)
        answer = await desk.get("/v1/tokens/b?min_ttl=3240s")
        assert answer.json["expires_in"] == 3000, "no room to wait, and its replacement is under way"
        assert (await waiting).json["expires_in"] == 3600


# reports


async def report(desk: Desk, name: str, body: object, *fields: str, query: str = "") -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = get(
        f"/v1/tokens/{name}/rejected{query}",
        MARK,
        "Content-Type: application/json",
        *fields,
        method="POST",
        body=data,
    )
    return await ask(desk.addresses[0], head)


PRINT = hashlib.sha256(SECRET.encode()).hexdigest()[:12]


@pytest.mark.parametrize("body", [{"access_token": f"{SECRET}-1"}, None])
async def test_a_rejected_token_is_replaced_and_until_then_handed_out(body: Mapping[str, str] | None) -> None:
    async with open_desk("a") as desk, fetching(desk):
        desk.takes = 0.3
        desk.time += 30
        digits = hashlib.sha256(f"{SECRET}-1".encode()).hexdigest()[:12]
        answer = await report(desk, "a", body or {"fingerprint": digits})
        assert (answer.status, answer.body) == (202, b"")
        assert answer.headers["cache-control"] == "no-store"
        assert (await desk.get("/v1/token")).json["access_token"] == f"{SECRET}-1"
        await asyncio.sleep(0.4)
        assert (await desk.get("/v1/token")).json["access_token"] == f"{SECRET}-2"
        assert RefreshForced(token="a", caller=ANONYMOUS, cause="rejected") in desk.told
        assert ("/v1/tokens/{name}/rejected", 202) in desk.served


@pytest.mark.parametrize("body", [{"access_token": "another"}, {"fingerprint": "0" * 12}, {"access_token": SECRET}])
async def test_a_report_about_another_token_is_taken_and_means_nothing(body: Mapping[str, str]) -> None:
    async with open_desk("a") as desk, fetching(desk):
        desk.time += 600
        answer = await report(desk, "a", body)
        await asyncio.sleep(0.05)
        assert (answer.status, answer.body, desk.fetched) == (202, b"", 1)


async def test_a_report_about_a_young_token_or_without_any_means_nothing() -> None:
    async with open_desk("a", "b") as desk:
        desk.put("a")
        desk.time += 29.9
        assert (await report(desk, "a", {"fingerprint": PRINT})).status == 202
        assert (await report(desk, "b", {"fingerprint": PRINT})).status == 202
        assert not [event for event in desk.told if isinstance(event, RefreshForced)]


async def test_a_report_that_is_none_is_refused_without_an_echo(desk: Desk) -> None:
    for body in (b"", b"{}", b'{"access_token":"s3cret","x":1}', b"s3cret"):
        answer = await report(desk, "logs", body)
        assert (answer.status, answer.json["error"]) == (400, "invalid_request")
        assert b"s3cret" not in answer.body
    answer = await report(desk, "logs", {"access_token": "x"}, query="?wait=5s")
    assert (answer.status, answer.json["error_description"]) == (400, "There is no query parameter here.")


async def test_only_who_may_have_a_token_may_report_it(desk: Desk) -> None:
    body = {"access_token": "x"}
    statuses = [
        (await report(desk, name, body, *fields)).status
        for name, fields in (
            ("users-api", ()),
            ("users-api", (bearer("wrong-0123456789abcdef"),)),
            ("users-api", (bearer(EXPORTER),)),
            ("users-api", (bearer(REPORTS),)),
            ("logs", ()),
            ("absent", ()),
        )
    ]
    assert statuses == [401, 401, 403, 202, 202, 404]


FIELDS = st.sampled_from(
    [
        *("Origin: x", "Accept: text/plain", "Via: x", bearer(REPORTS), bearer(EXPORTER), bearer("x" * 20)),
        *("X-Forwarded-For: x", "Sec-Fetch-Site: none", "Host: localhost", "Host: evil", "Metadata: false", MARK),
        *("Connection: close", "Content-Type: text/plain", "Content-Type: application/json", "Forwarded: x"),
    ]
)
TARGETS = st.sampled_from(
    ["/v1/tokens/users-api", "/v1/tokens/users-api?min_ttl=0s", "/v1/token", "/v1/tokens/users-api?wait=0s"]
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "PUT"])


@examples(max_examples=25)
@given(request=st.lists(st.tuples(METHODS, TARGETS, st.lists(FIELDS, max_size=5)), min_size=1, max_size=20))
def test_whatever_headers_a_request_has_a_listed_token_leaves_only_for_its_callers_secret(
    request: list[tuple[str, str, list[str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def ask_all() -> list[bytes]:
        async with guarded_desk(tmp_path_factory.mktemp("secrets")) as desk:
            answers = []
            for method, target, fields in request:
                async with wire(desk.addresses[0]) as one:
                    await one.send(get(target, *fields, method=method))
                    one.writer.write_eof()
                    answers.append(await one.rest())
            return answers

    for (method, _, fields), answer in zip(request, asyncio.run(ask_all()), strict=True):
        assert b"access-control" not in answer.lower()
        if SECRET.encode() in answer:
            assert method == "GET"
            assert [field for field in fields if field.startswith("Authorization")] == [bearer(REPORTS)]
            assert fields.count(MARK) == 1
            assert not set(fields) & {"Origin: x", "Via: x", "X-Forwarded-For: x", "Sec-Fetch-Site: none"}
            assert not set(fields) & {"Host: evil", "Host: localhost", "Metadata: false", "Forwarded: x"}
