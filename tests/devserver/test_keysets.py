"""Where a client's public keys come from, and what becomes of bad ones."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from joserfc.jwk import ECKey, OKPKey, RSAKey

from broker.devserver import DevServer, read_file
from broker.devserver.keysets import RemoteKeys, parse
from broker.devserver.texts import RefusedError
from certificates import self_signed
from devserver_client import Asker, public
from raw_server import answers, http, raw_server

BAD_JWKS = "The client JWKSet is invalid."
NO_JWKS = "The client does not have a JWKSet configured, but the client_assertion requires one."
UNREACHABLE = "Error retrieving the client JWKSet from jwks_uri."


@pytest.fixture
def other() -> ECKey:
    return ECKey.generate_key("P-256", auto_kid=True)


class Publisher:
    """A client's web server; `answer` is what it says, `asked` how often it was."""

    def __init__(self) -> None:
        self.answer = web.Response()
        self.asked = 0
        self.url = ""

    def publish(self, content: object) -> None:
        self.answer = web.Response(text=json.dumps(content))

    async def handle(self, _: web.BaseRequest) -> web.StreamResponse:
        self.asked += 1
        return web.Response(status=self.answer.status, text=self.answer.text, headers=self.answer.headers)


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    publisher = Publisher()
    runner = web.ServerRunner(web.Server(publisher.handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    publisher.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks.json"
    yield publisher
    await runner.cleanup()


@pytest.fixture
def by_url(app: Asker, server: DevServer, publisher: Publisher) -> Asker:
    server.register("app", publisher.url)
    return app


# A file


async def test_a_file_is_read_again_when_it_has_changed(
    app: Asker, server: DevServer, other: ECKey, tmp_path: Path
) -> None:
    file = tmp_path / "app.jwks"
    file.write_text(json.dumps(public(app.key)))
    server.register("app", file)
    assert (await app.ask()).status == 200
    file.write_text(json.dumps(public(other)))
    assert (await app.ask()).sentence == "The client_assertion JWT kid is invalid."


async def test_a_file_may_hold_a_single_jwk(app: Asker, server: DevServer, tmp_path: Path) -> None:
    (tmp_path / "app.jwk").write_text(json.dumps(app.key.as_dict(private=False)))
    server.register("app", tmp_path / "app.jwk")
    assert (await app.ask()).status == 200


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"keys": 1}', '{"keys": [1]}', '{"keys": [{"kty": "RSA"}]}'])
async def test_a_file_that_is_missing_or_broken_is_an_invalid_jwks(
    app: Asker, server: DevServer, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "app.jwks"
    if content is not None:
        file.write_text(content)
    server.register("app", file)
    assert (await app.ask()).sentence == BAD_JWKS


def test_the_sentence_about_a_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent\.jwks cannot be read: No such file"):
        read_file(tmp_path / "absent.jwks")


def test_the_sentence_about_a_broken_file_names_it(tmp_path: Path) -> None:
    (tmp_path / "app.jwks").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"app\.jwks cannot be used: it is not JSON"):
        read_file(tmp_path / "app.jwks")


# What is registered


def test_a_private_key_is_not_registered(key: ECKey) -> None:
    with pytest.raises(ValueError, match="private half"):
        parse(key.as_dict(private=True))


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_a_short_rsa_key_is_not_registered() -> None:
    with pytest.raises(ValueError, match="less than 2048 bits"):
        parse(public(RSAKey.generate_key(1024)))


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "RSA", "n": 7, "e": "AQAB"},
        {"kty": "RSA", "n": "ä", "e": "AQAB"},
    ],
)
def test_a_key_that_is_none_is_not_registered(jwk: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a valid JWK"):
        parse(jwk)


def test_registering_something_else_than_keys_fails_at_once(server: DevServer) -> None:
    with pytest.raises(ValueError, match="not a JWKS"):
        server.register("app", {"issuer": "https://a"})


async def test_a_client_with_only_keys_okta_does_not_take_has_no_jwks(app: Asker, server: DevServer) -> None:
    server.register("app", public(OKPKey.generate_key("Ed25519")))
    assert (await app.ask()).sentence == NO_JWKS


async def test_two_keys_with_the_same_kid_are_an_invalid_jwks(
    app: Asker, server: DevServer, key: ECKey, other: ECKey
) -> None:
    server.register("app", public(key, other, kid="same"))
    assert (await app.ask()).sentence == BAD_JWKS


# A URL


async def test_keys_are_fetched_from_their_url(by_url: Asker, publisher: Publisher) -> None:
    publisher.publish(public(by_url.key))
    assert (await by_url.ask()).status == 200


@pytest.mark.looptime
async def test_published_keys_are_cached_so_that_a_new_one_is_not_known_at_once(
    by_url: Asker, publisher: Publisher, other: ECKey, now: Callable[[], float]
) -> None:
    publisher.publish(public(by_url.key))
    await by_url.ask()
    publisher.publish(public(other))
    by_url.key = other
    since = now()
    while (reply := await by_url.ask()).status != 200:
        assert reply.sentence == "The client_assertion JWT kid is invalid."
        await asyncio.sleep(10)
    assert 50 <= now() - since <= 70
    assert publisher.asked == 2


@pytest.mark.parametrize("status", [404, 302, 500])
async def test_a_url_that_does_not_answer_with_keys_is_an_error(
    by_url: Asker, publisher: Publisher, status: int
) -> None:
    publisher.answer = web.Response(status=status, text=json.dumps(public(by_url.key)))
    assert (await by_url.ask()).sentence == UNREACHABLE
    publisher.publish(public(by_url.key))
    assert (await by_url.ask()).status == 200


async def test_a_url_where_nobody_listens_is_an_error(app: Asker, server: DevServer, unused_tcp_port: int) -> None:
    server.register("app", f"http://127.0.0.1:{unused_tcp_port}/jwks.json")
    assert (await app.ask()).sentence == UNREACHABLE


async def test_a_jwks_without_bounds_is_an_error(by_url: Asker, publisher: Publisher) -> None:
    publisher.publish({"keys": [], "padding": "x" * (2 << 20)})
    assert (await by_url.ask()).sentence == UNREACHABLE


async def test_a_published_set_without_keys_is_refused(by_url: Asker, publisher: Publisher) -> None:
    publisher.publish({"keys": []})
    assert (await by_url.ask()).sentence == "The client JWKSet from jwks_uri must contain at least one key."


async def test_published_keys_need_different_kids(by_url: Asker, publisher: Publisher, other: ECKey) -> None:
    publisher.publish(public(by_url.key, other, kid="same"))
    assert (await by_url.ask()).sentence == "All keys in the client JWKSet from jwks_uri must have a unique kid."


async def test_a_jku_must_be_the_registered_url(by_url: Asker, publisher: Publisher) -> None:
    publisher.publish(public(by_url.key))
    by_url.header = {"jku": publisher.url}
    assert (await by_url.ask()).status == 200
    by_url.header = {"jku": publisher.url + "x"}
    assert (await by_url.ask()).sentence == "The 'jku' in JWT and 'jwks_uri' doesn't match."


async def test_jwks_uri_with_an_unknown_certificate_is_refused(tmp_path: Path) -> None:
    _, tls = self_signed(tmp_path)
    async with raw_server(answers(http(b'{"keys": []}')), tls=tls) as server:
        with pytest.raises(RefusedError):
            await RemoteKeys(f"https://127.0.0.1:{server.port}/jwks.json", lambda: 0.0).keys()
    assert server.requests == []


async def test_jwks_uri_with_a_trusted_certificate_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca_file, tls = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    keys = json.dumps(public(ECKey.generate_key("P-256"))).encode()
    async with raw_server(answers(http(keys)), tls=tls) as server:
        assert len(await RemoteKeys(f"https://127.0.0.1:{server.port}/jwks.json", lambda: 0.0).keys()) == 1
