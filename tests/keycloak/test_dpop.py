"""Tokens bound to a key (RFC 9449): Keycloak grants them, and is the API that verifies the proofs."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from broker.providers.diagnose import diagnose
from e2e.processes import Running, get, started
from keycloak.configured import a_grant, config_file
from keycloak.mistakes import a_bound_client
from keycloak.server import Client, Keycloak

Json = dict[str, Any]


class Holder:
    """A workload that has a broker make its proofs."""

    def __init__(self, http: aiohttp.ClientSession, daemon: Running, api: str, userinfo: str) -> None:
        self.http = http
        self.daemon = daemon
        self.api = api
        self.userinfo = userinfo

    async def token(self) -> Json:
        """What the hand-out says without a proof."""
        _, text = await get(f"{self.api}/v1/token")
        said: Json = json.loads(text)
        return said

    async def proof(self, method: str = "GET", url: str = "") -> tuple[int, Json]:
        """Status and body of the answer to a wish for a proof."""
        wish = {"method": method, "url": url or self.userinfo}
        async with self.http.post(
            f"{self.api}/v1/tokens/reports/proof", json=wish, headers={"Metadata": "true"}
        ) as answer:
            return answer.status, await answer.json()

    async def ask(self, authorization: str, *proofs: str) -> int:
        """The status that Keycloak's userinfo endpoint answers."""
        headers = [("Authorization", authorization), *(("DPoP", proof) for proof in proofs)]
        async with self.http.get(self.userinfo, headers=headers) as answer:
            return answer.status


@asynccontextmanager
async def a_holder(server: Keycloak, client: Client, **dpop: object) -> AsyncIterator[Holder]:
    settings = {"targets": [f"http://{server.address}"], **dpop}
    file = config_file(server, client, token={"scopes": ["openid"]}, dpop=settings)
    async with started("run", "--config", str(file)) as daemon, aiohttp.ClientSession() as http:
        await daemon.event("token_refreshed")
        yield Holder(http, daemon, await daemon.address("api"), server.userinfo)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_a_token_with_a_proof_is_good_for_keycloaks_api(keycloak: Keycloak, algorithm: str) -> None:
    async with a_holder(keycloak, a_bound_client(keycloak), algorithm=algorithm) as holder:
        status, said = await holder.proof()
        assert (status, said["token_type"]) == (200, "DPoP")
        assert await holder.ask(f"DPoP {said['access_token']}", said["proof"]) == 200


async def test_keycloak_takes_the_token_for_nothing_without_a_proof_that_is_new_and_meant_for_it(
    keycloak: Keycloak,
) -> None:
    async with a_holder(keycloak, a_bound_client(keycloak)) as holder:
        _, said = await holder.proof()
        _, elsewhere = await holder.proof(url=f"{keycloak.issuer}/account")
        _, otherwise = await holder.proof("POST")
        token = said["access_token"]
        assert await holder.ask(f"Bearer {token}") == 401
        assert await holder.ask(f"DPoP {token}") == 401
        assert await holder.ask(f"DPoP {token}", elsewhere["proof"]) == 401
        assert await holder.ask(f"DPoP {token}", otherwise["proof"]) == 401
        assert await holder.ask(f"DPoP {token}", said["proof"]) == 200
        assert await holder.ask(f"DPoP {token}", said["proof"]) == 401


async def test_a_proof_by_another_brokers_key_is_refused(keycloak: Keycloak) -> None:
    client = a_bound_client(keycloak)
    async with a_holder(keycloak, client) as holder, a_holder(keycloak, client) as thief:
        _, said = await holder.proof()
        _, stolen = await thief.proof()
        assert await holder.ask(f"DPoP {said['access_token']}", stolen["proof"]) == 401


async def test_the_token_is_bound_to_a_key_that_is_not_the_clients(keycloak: Keycloak) -> None:
    client = a_bound_client(keycloak)
    async with a_holder(keycloak, client) as holder:
        payload = (await holder.token())["access_token"].split(".")[1]
    bound_to = json.loads(base64.urlsafe_b64decode(payload + "=="))["cnf"]["jkt"]
    assert bound_to != client.key.thumbprint()


async def test_a_proof_for_the_token_endpoint_is_nobodys_to_have(keycloak: Keycloak) -> None:
    async with a_holder(keycloak, a_bound_client(keycloak)) as holder:
        assert (await holder.proof("POST", keycloak.token_endpoint))[0] == 403


async def test_a_bound_token_is_replaced_ahead_of_its_end(keycloak: Keycloak) -> None:
    client = keycloak.client(dpop_bound_access_tokens="true", access_token_lifespan="6")
    async with a_holder(keycloak, client) as holder:
        first = (await holder.token())["access_token"]
        while (await holder.token())["access_token"] == first:
            await asyncio.sleep(0.1)
        _, said = await holder.proof()
        assert await holder.ask(f"DPoP {said['access_token']}", said["proof"]) == 200


async def test_a_client_that_may_do_without_gets_a_bound_token_all_the_same(keycloak: Keycloak) -> None:
    async with a_holder(keycloak, keycloak.client()) as holder:
        assert (await holder.token())["token_type"] == "DPoP"


async def test_a_client_that_needs_proofs_says_so_to_a_broker_without(keycloak: Keycloak) -> None:
    async with a_grant(config_file(keycloak, a_bound_client(keycloak))) as asker:
        assert diagnose(await asker.refused()).reason == "dpop_required"


@pytest.mark.parametrize("step", [-15, 18])
async def test_a_clock_may_be_off_by_as_much_as_keycloak_permits_in_proofs(keycloak: Keycloak, step: int) -> None:
    dpop = {"targets": ["https://api.example"]}
    async with a_grant(config_file(keycloak, a_bound_client(keycloak), dpop=dpop), step=step) as asker:
        assert (await asker.fetch()).token_type == "DPoP"


@pytest.mark.parametrize("step", [-22, -40])
async def test_a_clock_that_is_off_for_a_proof_but_not_for_an_assertion_is_told(keycloak: Keycloak, step: int) -> None:
    dpop = {"targets": ["https://api.example"]}
    async with a_grant(config_file(keycloak, a_bound_client(keycloak), dpop=dpop), step=step) as asker:
        assert diagnose(await asker.refused()).reason == "clock"
