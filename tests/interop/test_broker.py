"""The broker's own client before a server that others wrote: its real requests, that server's real answers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from broker.app.compose import Broker, running
from broker.core.errors import RefusalError
from broker.core.events import Event, KeyLoaded, Refreshed, RefreshFailed, ScopeReduced
from broker.core.settings import Admin, Api, Assertion, ClientSettings, Http, KeySettings, Settings, TokenSettings
from broker.http_client.transport import Transport
from broker.keys.watch import KeyFiles
from broker.oauth import Grant
from broker.oauth.assertion import make_assertion
from broker.oauth.discovery import Discovery
from broker.oauth.form import ASSERTION_TYPE
from broker.oauth.reply import parse_reply
from broker.providers.diagnose import diagnose
from interop.provider import Client, Provider, new_key, public_jwks, write_private_jwk

ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"]
TOKEN = TokenSettings(client="c", scopes=("okta.users.read",))


def settings_of(provider: Provider, client: Client, *, audience: str = "token_endpoint", **key: Any) -> ClientSettings:
    return ClientSettings(
        client_id=client.client_id,
        issuer=provider.issuer,
        private_keys=(KeySettings(file=str(client.key_file), **key),),
        assertion=Assertion(audience=audience),
    )


@asynccontextmanager
async def a_grant(settings: ClientSettings, *, step: float = 0.0) -> AsyncIterator[Grant]:
    """A grant whose wall clock is `step` seconds off."""
    transport = Transport(Http(), now=time.time, observe=lambda _: None)
    keys = KeyFiles("c", settings.private_keys, provider="generic", algorithms=(), observe=lambda _: None)
    await keys.load()
    discovery = Discovery(
        issuer=settings.issuer,
        token_endpoint=None,
        hosts=(),
        allow_http=False,
        transport=transport,
        now=time.time,
        observe=lambda _: None,
    )
    try:
        yield Grant(
            "c",
            settings,
            keys=keys,
            discovery=discovery,
            transport=transport,
            gate=asyncio.Semaphore(8),
            now=time.time,
            wall=lambda: time.time() + step,
            observe=lambda _: None,
        )
    finally:
        await transport.close()


async def refusal(settings: ClientSettings, *, step: float = 0.0) -> RefusalError:
    async with a_grant(settings, step=step) as grant:
        with pytest.raises(RefusalError) as error:
            await grant.fetch(TOKEN)
        return error.value


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("audience", ["token_endpoint", "issuer"])
async def test_every_algorithm_is_accepted_with_either_audience(
    oidc_provider: Provider, algorithm: str, audience: str
) -> None:
    client = oidc_provider.client(algorithm)
    async with a_grant(settings_of(oidc_provider, client, audience=audience)) as grant:
        token = await grant.fetch(TOKEN)
    assert token.scope == "okta.users.read"
    assert token.lifetime == 300
    assert len(oidc_provider.granted(client.client_id)) == 1


async def test_a_client_whose_keys_are_behind_a_url_is_accepted(oidc_provider: Provider) -> None:
    key = new_key("ES256")

    class Jwks(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(public_jwks(key)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing to stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Jwks) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            client = oidc_provider.client("ES256", jwks_uri=f"http://127.0.0.1:{server.server_port}/")
            write_private_jwk(client.key_file, key)
            async with a_grant(settings_of(oidc_provider, client)) as grant:
                assert (await grant.fetch(TOKEN)).access_token
        finally:
            server.shutdown()


async def test_a_wrong_key_is_refused_and_the_cause_is_the_credentials(oidc_provider: Provider) -> None:
    client = oidc_provider.client("ES256")
    write_private_jwk(client.key_file, new_key("ES256"))
    error = await refusal(settings_of(oidc_provider, client))
    assert (error.status, error.error) == (401, "invalid_client")
    assert diagnose(error).reason == "client_refused"


async def test_a_wrong_kid_is_refused(oidc_provider: Provider) -> None:
    client = oidc_provider.client("ES256")
    members = client.key.as_dict(private=True)
    client.key_file.write_text(json.dumps({name: value for name, value in members.items() if name != "kid"}))
    error = await refusal(settings_of(oidc_provider, client, kid="unknown"))
    assert error.error == "invalid_client"
    assert "no applicable key" in oidc_provider.refused(client.client_id)[-1].detail


@pytest.mark.parametrize("audience", ["https://elsewhere.example/token", "{issuer}/", "{issuer}/token/"])
async def test_a_wrong_audience_is_refused(oidc_provider: Provider, audience: str) -> None:
    client = oidc_provider.client("ES256")
    settings = settings_of(oidc_provider, client, audience=audience.format(issuer=oidc_provider.issuer))
    assert (await refusal(settings)).error == "invalid_client"
    assert "audience" in oidc_provider.refused(client.client_id)[-1].detail


async def test_a_jti_is_good_once_and_ours_are_never_repeated(oidc_provider: Provider) -> None:
    client = oidc_provider.client("ES256")
    async with a_grant(settings_of(oidc_provider, client)) as grant:
        for jti, refused in (("fixed", False), ("fixed", True), (None, False), (None, False)):
            signer = grant.order.preferred()
            assertion = await signer.sign(
                make_assertion,
                issuer=client.client_id,
                subject=client.client_id,
                audience=oidc_provider.token_endpoint,
                algorithm="ES256",
                kid=signer.kid,
                typ="JWT",
                lifetime=60,
                issued_at=time.time(),
                claims={},
                jti=jti,
            )
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion,
            }
            reply = await grant.transport.post(oidc_provider.token_endpoint, form)
            if refused:
                with pytest.raises(RefusalError):
                    parse_reply(reply, scope="", assume_lifetime=60)
            else:
                assert parse_reply(reply, scope="", assume_lifetime=60).access_token
    assert oidc_provider.refused(client.client_id)[-1].detail == "client assertion tokens must only be used once"


async def test_slow_clock_is_corrected_after_one_bare_refusal(oidc_provider: Provider) -> None:
    """The refusal does not mention time, so only the server's `Date` shows what is wrong."""
    client = oidc_provider.client("ES256")
    async with a_grant(settings_of(oidc_provider, client), step=-200) as grant:
        assert (await grant.fetch(TOKEN)).access_token
    assert [refusal.detail for refusal in oidc_provider.refused(client.client_id)] == ["jwt expired"]


async def test_a_fast_clock_is_accepted_and_corrected_all_the_same(oidc_provider: Provider) -> None:
    client = oidc_provider.client("ES256")
    async with a_grant(settings_of(oidc_provider, client), step=200) as grant:
        for _ in range(3):
            await grant.fetch(TOKEN)
        now = time.time()
        assert grant.clock.correction(now=now, wall=now + 200) == pytest.approx(-200, abs=2)


async def test_a_resource_is_asked_for_by_its_name(oidc_provider: Provider) -> None:
    client = oidc_provider.client("ES256")
    token = TokenSettings(client="c", scopes=("orders",), resource=("https://api.example/",))
    async with a_grant(settings_of(oidc_provider, client)) as grant:
        assert (await grant.fetch(token)).scope == "orders"


async def test_an_unknown_resource_is_diagnosed(oidc_provider: Provider) -> None:
    client = oidc_provider.client("ES256")
    token = TokenSettings(client="c", resource=("https://unknown.example/",))
    async with a_grant(settings_of(oidc_provider, client)) as grant:
        with pytest.raises(RefusalError) as error:
            await grant.fetch(token)
    assert diagnose(error.value).reason == "target_refused"


@asynccontextmanager
async def a_broker(client: ClientSettings, token: TokenSettings) -> AsyncIterator[tuple[Broker, list[Event]]]:
    settings = Settings(
        api=Api(listen=("127.0.0.1:0",)),
        admin=Admin(listen=("127.0.0.1:0",)),
        clients={"c": client},
        tokens={"t": token},
    )
    events: list[Event] = []
    async with running(settings, observers=[events.append]) as broker:
        yield broker, events


async def until(events: list[Event], kind: type[Event], *, count: int = 1) -> list[Event]:
    async with asyncio.timeout(30):
        while len(found := [event for event in events if isinstance(event, kind)]) < count:
            await asyncio.sleep(0.02)
    return found


async def test_silently_dropped_scopes_are_reported_and_the_token_is_used(oidc_provider: Provider) -> None:
    client = oidc_provider.client("ES256")
    token = TokenSettings(client="c", scopes=("okta.users.read", "okta.unknown"))
    async with a_broker(settings_of(oidc_provider, client), token) as (broker, events):
        (event,) = await until(events, ScopeReduced)
        assert isinstance(event, ScopeReduced)
        assert event.missing == ("okta.unknown",)
        held = await broker.store.wait("t", 1)
        assert held
        assert held.scope == "okta.users.read"


async def test_a_daemon_keeps_short_tokens_fresh_through_a_key_rotation(oidc_provider: Provider) -> None:
    client = oidc_provider.client("ES256", token_lifetime=4)
    async with a_broker(settings_of(oidc_provider, client), TOKEN) as (broker, events):
        await until(events, Refreshed, count=2)
        renewed = new_key("ES256")
        oidc_provider.register(
            client.client_id,
            jwks=public_jwks(client.key, renewed),
            token_endpoint_auth_signing_alg="ES256",
            token_lifetime=4,
        )
        write_private_jwk(client.key_file, renewed)
        await until(events, KeyLoaded, count=2)
        oidc_provider.register(
            client.client_id, jwks=public_jwks(renewed), token_endpoint_auth_signing_alg="ES256", token_lifetime=4
        )
        refreshed = len([event for event in events if isinstance(event, Refreshed)])
        await until(events, Refreshed, count=refreshed + 2)
        assert broker.store.get("t")
        assert not [event for event in events if isinstance(event, RefreshFailed)]
