"""`token-broker run` before Keycloak: a workload beside it misses no token, whatever happens to the keys."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from e2e.processes import Running, get, run, started
from interop.provider import new_key, public_jwks, write_private_jwk
from keycloak.configured import Workload, a_workload, config_file
from keycloak.jwks_url import QUIET, published
from keycloak.server import Client, Keycloak

#: Seconds that tokens live here: each is replaced after half of it, and a refresh that fails twice would be seen.
LIFE = 8


@asynccontextmanager
async def running(server: Keycloak, client: Client) -> AsyncIterator[tuple[Running, Workload]]:
    """The daemon, and a workload that asks for the token all the time and is never told to wait."""
    async with started("run", "--config", str(config_file(server, client))) as daemon:
        await daemon.event("token_refreshed")
        async with a_workload(await daemon.address("api")) as workload:
            yield daemon, workload


async def test_a_token_is_good_for_keycloaks_own_api(keycloak: Keycloak) -> None:
    file = config_file(keycloak, keycloak.client(), token={"scopes": ["openid"]})
    async with started("run", "--config", str(file)) as daemon:
        await daemon.event("token_refreshed")
        _, text = await get(f"{await daemon.address('api')}/v1/token", Accept="text/plain")
        bearer = {"Authorization": f"Bearer {text}"}
        async with aiohttp.ClientSession(headers=bearer) as http, http.get(keycloak.userinfo) as answer:
            assert answer.status == 200


async def test_short_tokens_are_replaced_ahead_of_their_end(keycloak: Keycloak) -> None:
    client = keycloak.client(access_token_lifespan=str(LIFE))
    async with running(keycloak, client) as (daemon, workload):
        await workload.has_seen(4)
    assert not [event for event in daemon.events if event["event"] == "refresh_failed"]


async def test_saved_keys_are_rotated_without_a_miss(keycloak: Keycloak) -> None:
    client = keycloak.client(access_token_lifespan=str(LIFE))
    renewed = new_key("ES256")
    async with running(keycloak, client) as (daemon, workload):
        keycloak.change(client, {"jwks_string": json.dumps(public_jwks(client.key, renewed))})
        write_private_jwk(client.key_file, renewed)
        await daemon.event("key_accepted", kid=renewed.kid)
        keycloak.change(client, {"jwks_string": json.dumps(public_jwks(renewed))})
        await workload.has_seen(workload.distinct + 2)
    assert not [event for event in daemon.events if event["event"] == "refresh_failed"]


async def test_a_key_behind_a_url_that_is_published_ahead_is_used_at_once(keycloak: Keycloak) -> None:
    key, renewed = new_key("ES256"), new_key("ES256")
    with published(key) as site:
        client = keycloak.client(keys=[key], jwks_url=site.url, access_token_lifespan=str(LIFE))
        async with running(keycloak, client) as (daemon, workload):
            site.publish(key, renewed)
            await asyncio.sleep(QUIET)
            assert site.asked == 1
            write_private_jwk(client.key_file, renewed)
            await daemon.event("key_accepted", kid=renewed.kid)
            assert site.asked == 2
            site.publish(renewed)
            await workload.has_seen(workload.distinct + 2)
    assert {event["event"] for event in daemon.events} & {"refresh_failed", "key_fell_back"} == set()


async def test_a_key_that_keycloak_has_not_read_yet_gives_way_to_the_one_that_it_replaced(keycloak: Keycloak) -> None:
    """Mounted within ten seconds of Keycloak's last look at the URL. The old one goes before the new one is tried."""
    key, renewed = new_key("ES256"), new_key("ES256")
    with published(key) as site:
        client = keycloak.client(keys=[key], jwks_url=site.url, access_token_lifespan=str(LIFE))
        async with running(keycloak, client) as (daemon, workload):
            site.publish(renewed)
            write_private_jwk(client.key_file, renewed)
            await daemon.event("key_fell_back", kid=key.kid, refused=renewed.kid, reason="kid_refused")
            await workload.has_seen(workload.distinct + 1)
            keycloak.change(client, name="saved, so that Keycloak forgets what it has read")
            await daemon.event("key_accepted", kid=renewed.kid)
            await workload.has_seen(workload.distinct + 1)


async def test_a_url_that_is_down_while_the_key_is_replaced_costs_no_token(keycloak: Keycloak) -> None:
    key, renewed = new_key("ES256"), new_key("ES256")
    with published(key) as site:
        client = keycloak.client(keys=[key], jwks_url=site.url, access_token_lifespan=str(LIFE))
        async with running(keycloak, client) as (daemon, workload):
            site.status = 503
            await asyncio.sleep(QUIET)
            write_private_jwk(client.key_file, renewed)
            await daemon.event("key_fell_back", kid=key.kid, refused=renewed.kid)
            await workload.has_seen(workload.distinct + 2)


async def test_what_jwks_prints_is_what_keycloak_wants_at_the_url(keycloak: Keycloak) -> None:
    key = new_key("ES256")
    with published() as site:
        client = keycloak.client(keys=[key], jwks_url=site.url)
        file = str(config_file(keycloak, client))
        code, printed, _ = await run("jwks", "--config", file, "--client", "keycloak")
        assert code == 0
        site.body = printed.encode()
        code, said, _ = await run("check", "--config", file)
    assert (code, said.splitlines()[-1]) == (0, "All good.")
