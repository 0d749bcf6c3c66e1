"""What people at a terminal see and order under /dev, and who else may not."""

from typing import Any

import pytest

from broker.devserver import DevServer, Fault
from broker.devserver.controls import is_local
from devserver_client import Asker, Reply
from each_case import for_each

BEHAVED = {"skew": 0, "nonce_required": True, "api_nonce_required": False, "faults": []}


async def order(app: Asker, content: object, content_type: str = "application/json") -> Reply:
    url = app.server.issuer + "/dev/faults"
    kwargs: dict[str, Any] = {"data": content} if isinstance(content, bytes) else {"json": content}
    if isinstance(content, bytes):
        kwargs["headers"] = {"Content-Type": content_type}
    async with app.http.post(url, **kwargs) as answer:
        return Reply(answer.status, answer.headers, await answer.read())


async def test_a_fault_is_ordered_and_shown(app: Asker, server: DevServer) -> None:
    reply = await order(app, {"status": 503, "times": 2, "headers": {"Retry-After": "5"}})
    assert reply.status == 200
    assert server.faults.pending() == [Fault(status=503, times=2, headers={"Retry-After": "5"})]
    shown = (await app.get("/dev/faults")).body
    assert shown == BEHAVED | {"faults": [{"status": 503, "times": 2, "headers": {"Retry-After": "5"}}]}
    assert (await app.ask()).status == 503


async def test_several_faults_are_ordered_at_once(app: Asker, server: DevServer) -> None:
    await order(app, [{"status": 500, "times": 1}, {"answer": {"expires_in": "60"}, "omit": ["scope"]}])
    assert server.faults.pending() == [
        Fault(status=500, times=1),
        Fault(answer={"expires_in": "60"}, omit=("scope",)),
    ]


async def test_the_clock_is_skewed_without_a_fault(app: Asker, server: DevServer) -> None:
    assert (await order(app, {"skew": -90})).body == BEHAVED | {"skew": -90}
    assert (server.faults.skew, server.faults.pending()) == (-90, [])


async def test_deleting_clears_faults_and_clock(app: Asker, server: DevServer) -> None:
    await order(app, {"skew": 90, "delay": 1, "nonce_required": False, "api_nonce_required": True})
    async with app.http.delete(server.issuer + "/dev/faults") as answer:
        assert await answer.json() == BEHAVED
    assert (server.faults.skew, server.faults.pending()) == (0, [])


async def test_nonces_are_changed_and_required_from_outside(app: Asker, server: DevServer) -> None:
    before = server.proofs.nonce(), server.api_proofs.nonce()
    wanted = {"nonce_required": False, "api_nonce_required": True}
    assert (await order(app, wanted | {"new_nonce": True})).body == BEHAVED | wanted
    assert (server.proofs.nonce_required, server.api_proofs.nonce_required) == (False, True)
    assert not {server.proofs.nonce(), server.api_proofs.nonce()} & set(before)
    assert (await order(app, {"nonce_required": True})).body == BEHAVED | {"api_nonce_required": True}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"stauts": 503}, "stauts"),
        ({"status": 99}, "status"),
        ({"times": 0}, "times"),
        ({"delay": -1}, "delay"),
        ({"headers": {"X": "a\r\nY: b"}}, "headers"),
        ({"size": 1 << 40}, "size"),
        (b"nonsense", "malformed"),
        (b"", "truncated"),
        (b"7", "Expected `object | array`"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused_by_a_sentence(
    app: Asker, server: DevServer, content: object, word: str
) -> None:
    reply = await order(app, content)
    assert (reply.status, server.faults.pending()) == (400, [])
    assert word in reply.sentence


async def test_an_order_that_a_foreign_page_could_send_is_refused(app: Asker, server: DevServer) -> None:
    reply = await order(app, b'{"status": 503}', "text/plain")
    assert (reply.status, server.faults.pending()) == (400, [])
    assert "Content-Type: application/json" in reply.sentence


@pytest.mark.parametrize("path", ["/dev/faults", "/dev/requests"])
async def test_a_name_that_was_pointed_here_is_not_welcome(app: Asker, path: str) -> None:
    assert (await app.get(path, {"Host": f"evil.example:{app.server.port}"})).status == 404


@for_each(
    ("peer", "host", "welcome"),
    [
        ("127.0.0.1", "127.0.0.1:8080", True),
        ("127.0.0.1", "localhost:8080", True),
        ("127.0.0.1", "localhost", True),
        ("::1", "[::1]:8080", True),
        ("::1", "[::1]", True),
        ("127.0.0.1", "10.0.0.5:8080", False),
        ("10.0.0.5", "127.0.0.1:8080", False),
        ("127.0.0.1", "localhost.evil.example:8080", False),
        (None, "localhost", False),
    ],
)
def test_only_this_machine_is_local(peer: str | None, host: str, *, welcome: bool) -> None:
    assert is_local(peer, host) is welcome


async def test_requests_are_listed_without_assertion_or_secret(app: Asker) -> None:
    assertion = app.assertion(jti="one")
    await app.post(app.form(assertion))
    await app.post({"grant_type": "client_credentials", "client_id": "app", "client_secret": "s3cret"})
    reply = await app.get("/dev/requests")
    first, second = reply.body["requests"]
    assert (first["client_id"], first["jti"], first["outcome"]) == ("app", "one", "issued")
    assert (second["client_id"], second["jti"], second["outcome"]) == ("app", None, "refused")
    assert (reply.body["total"], reply.body["outcomes"]) == (2, {"issued": 1, "refused": 1})
    assert assertion.rsplit(".", 1)[1].encode() not in reply.raw
    assert b"s3cret" not in reply.raw
