"""What a test of the broker reads afterwards."""

import asyncio

import aiohttp
import pytest
from joserfc.jwk import ECKey

from broker.devserver import DevServer, Fault, Seen
from broker.devserver.received import FORM
from devserver_client import SCOPE, Asker, basic, public


async def test_a_request_is_written_down_with_what_it_claims(app: Asker, server: DevServer) -> None:
    await app.ask(jti="one", iat=1000)
    seen = server.journal.requests[-1]
    assert (seen.client_id, seen.jti, seen.kid, seen.algorithm) == ("app", "one", app.key.kid, "ES256")
    assert (seen.audience, seen.scope, seen.iat) == (server.token_endpoint, SCOPE, 1000)
    assert seen.exp is not None
    assert abs(seen.exp - app.wall() - 60) < 5
    assert (seen.outcome, seen.status, seen.repeated) == ("issued", 200, False)
    assert abs(seen.at - app.wall()) < 5


async def test_a_refusal_is_written_down_with_its_sentence(app: Asker, server: DevServer) -> None:
    await app.ask(aud=["a", "b"], exp="soon")
    seen = server.journal.requests[-1]
    assert (seen.outcome, seen.status, seen.audience, seen.exp) == ("refused", 401, '["a", "b"]', None)
    assert seen.sentence.startswith("The audience claim")


async def test_even_an_unreadable_request_is_written_down(app: Asker, server: DevServer) -> None:
    await app.post(b"{}", {"Content-Type": "application/json"})
    seen = server.journal.requests[-1]
    assert (seen.client_id, seen.outcome, seen.status) == (None, "refused", 415)


async def test_no_secret_is_written_down(app: Asker, server: DevServer) -> None:
    await app.post({"grant_type": "client_credentials"}, basic("app", "s3cret"))
    await app.post({"grant_type": "client_credentials", "client_id": "app", "client_secret": "s3cret"})
    await app.post(app.form(app.assertion()))
    assert "s3cret" not in repr(server.journal.requests)
    assert "eyJ" not in repr(server.journal.requests)


async def test_a_stranger_s_text_is_bounded_and_cannot_steer_a_terminal(app: Asker, server: DevServer) -> None:
    await app.post({"grant_type": "client_credentials", "client_id": "\x1b[2J" + "x" * 1000})
    client_id = server.journal.requests[-1].client_id
    assert client_id is not None
    assert client_id.isprintable()
    assert len(client_id) == 300


async def test_a_sentence_that_repeats_a_stranger_s_text_cannot_either(app: Asker, server: DevServer) -> None:
    await app.post(b"%1b[2J=1&%1b[2J=2", {"Content-Type": FORM})
    sentence = server.journal.requests[-1].sentence
    assert sentence.startswith("Duplicate parameter")
    assert sentence.isprintable()


async def test_repeated_jtis_are_counted_whatever_became_of_them(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(reset=True, times=1))
    form = app.form(app.assertion())
    with pytest.raises(aiohttp.ClientError):
        await app.post(form)
    await app.post(form)
    await app.ask()
    await app.ask(jti=None)
    await app.ask(jti=None)
    assert (server.journal.total, server.journal.repeated) == (5, 1)
    assert [seen.repeated for seen in server.journal.requests] == [False, True, False, False, False]


async def test_the_greatest_number_of_requests_at_once_is_known(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(delay=0.1))
    await asyncio.gather(*(app.ask() for _ in range(3)))
    await app.ask()
    assert (server.journal.most_at_once, server.journal.at_once) == (3, 0)
    assert server.journal.outcomes == {"issued": 4}


async def test_an_observer_is_told_of_every_request(http: aiohttp.ClientSession, key: ECKey) -> None:
    told: list[Seen] = []
    async with DevServer(on_request=told.append) as server:
        server.register("app", public(key))
        app = Asker(http, server, key, lambda: 0)
        await app.ask()
        server.faults.add(Fault(status=503))
        await app.ask()
    assert [seen.outcome for seen in told] == ["refused", "fault"]
    assert told == list(server.journal.requests)


async def test_a_bug_is_named_by_its_place_and_answered_without_a_traceback(
    http: aiohttp.ClientSession, key: ECKey, caplog: pytest.LogCaptureFixture
) -> None:
    def buggy(seen: Seen) -> None:
        raise RuntimeError(seen.client_id)

    async with DevServer(on_request=buggy) as server:
        server.register("app", public(key))
        reply = await Asker(http, server, key, lambda: 0).ask()
        assert (reply.status, reply.body["error"]) == (500, "server_error")
        assert b"Traceback" not in reply.raw
        (crash,) = server.journal.crashes
        assert crash.startswith("RuntimeError at test_journal.py:")
    assert caplog.records == []
