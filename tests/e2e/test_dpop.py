"""A daemon whose tokens are bound to its key, before a server and an API in Okta's manner."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from broker.devserver import DevServer
from e2e.processes import Running, get, started, write_key
from key_forms import segments

pytestmark = pytest.mark.slow
USERS = "/api/v1/users"


@dataclass(frozen=True)
class Scene:
    """A server, a daemon, and the workload's HTTP client; `broker` and `admin` are base URLs."""

    server: DevServer
    daemon: Running
    http: aiohttp.ClientSession
    broker: str
    admin: str

    async def proof(self, **more: object) -> tuple[int, dict[str, Any]]:
        wanted = {"method": "GET", "url": self.server.issuer + USERS} | more
        url = f"{self.broker}/v1/tokens/t/proof"
        async with self.http.post(url, json=wanted, headers={"Metadata": "true"}) as answer:
            return answer.status, await answer.json()

    async def call(self, said: dict[str, Any], **more: str) -> tuple[int, str | None]:
        """What the API answers to the token and the proof, and the nonce that it gives."""
        headers = {"Authorization": f"DPoP {said['access_token']}", "DPoP": said["proof"]} | more
        async with self.http.get(self.server.issuer + USERS, headers=headers) as answer:
            return answer.status, answer.headers.get("DPoP-Nonce")


@asynccontextmanager
async def scene(
    folder: Path, *, dpop: object = True, lifetime: float = 3600, skew: float = 0.0, held: bool = True
) -> AsyncIterator[Scene]:
    """The server requires DPoP of the client; `dpop` is what its configuration says. `held`: a token comes of it."""
    async with DevServer(lifetime=lifetime) as server, aiohttp.ClientSession() as http:
        server.faults.skew = skew
        server.register("client", {"keys": [write_key(folder / "key.jwk")]}, {"okta.users.read"}, dpop=True)
        config = {
            "api": {"listen": ["127.0.0.1:0"]},
            "admin": {"listen": ["127.0.0.1:0"]},
            "clients": {
                "c": {
                    "provider": "okta",
                    "issuer": server.issuer,
                    "token_endpoint": server.token_endpoint,
                    "client_id": "client",
                    "private_key": {"file": str(folder / "key.jwk")},
                    "dpop": dpop,
                }
            },
            "tokens": {"t": {"scopes": ["okta.users.read"]}},
        }
        file = folder / "config.yaml"
        file.write_text(json.dumps(config))  # which is YAML
        async with started("run", "--config", str(file)) as daemon:
            broker, admin = await daemon.address("api"), await daemon.address("admin")
            await daemon.event("token_refreshed" if held else "refresh_failed")
            yield Scene(server, daemon, http, broker, admin)
        assert server.journal.crashes == []


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_oktas_api_takes_its_tokens_with_its_proofs_each_once(algorithm: str, tmp_path: Path) -> None:
    async with scene(tmp_path, dpop={"algorithm": algorithm}) as on:
        _, said = await on.proof()
        assert segments(said["proof"])[0]["alg"] == algorithm
        assert await on.call(said) == (200, None)
        assert await on.call(said) == (400, None), "the proof was used"
        assert await on.call(said, Authorization=f"Bearer {said['access_token']}") == (400, None)
        assert await on.call((await on.proof())[1]) == (200, None)


async def test_by_default_proofs_are_for_the_api_of_okta_itself(tmp_path: Path) -> None:
    async with scene(tmp_path) as on:
        assert (await on.proof())[0] == 200
        status, said = await on.proof(url="https://elsewhere.example/")
        assert (status, said["error"], said["reason"]) == (403, "forbidden", "permission")
        assert "clients.c.dpop.targets" in said["error_description"]
        assert (await on.proof(url=on.server.token_endpoint, method="POST"))[0] == 403


async def test_the_first_token_costs_two_requests_with_an_assertion_and_a_proof_each(tmp_path: Path) -> None:
    async with scene(tmp_path) as on:
        refused, issued = on.server.journal.requests
        assert refused.sentence == "Authorization server requires nonce in DPoP proof."
        assert (refused.nonce, issued.nonce) == (None, on.server.proofs.nonce())
        assert len({refused.jti, issued.jti, refused.proof_jti, issued.proof_jti}) == 4


async def test_no_hand_out_fails_while_tokens_and_nonces_change(tmp_path: Path) -> None:
    async with scene(tmp_path, lifetime=2) as on:
        on.server.api_proofs.nonce_required = True
        tokens: list[str] = []
        nonce: str | None = None
        while len(tokens) < 5:
            status, said = await on.proof(nonce=nonce)
            assert status == 200
            answered, newest = await on.call(said)
            if newest != nonce:
                nonce = newest
                answered, _ = await on.call((await on.proof(nonce=nonce))[1])
            assert answered == 200
            if said["access_token"] not in tokens:
                tokens.append(said["access_token"])
                on.server.proofs.renew_nonce(forget=len(tokens) % 2 == 0)
                on.server.api_proofs.renew_nonce()
            await asyncio.sleep(0.05)
        assert not [event for event in on.daemon.events if event["event"] == "refresh_failed"]
        assert on.server.journal.repeated == 0
        assert len({segments(token)[1]["cnf"]["jkt"] for token in tokens}) == 1, "one proof key for them all"
        secrets = [*tokens, *(seen.nonce or "-" * 9 for seen in on.server.journal.requests)]
        assert not [secret for secret in secrets if secret in on.daemon.output]


@pytest.mark.parametrize("skew", [-100.0, 100.0])
async def test_proofs_are_dated_by_the_servers_clock_when_ours_is_wrong(skew: float, tmp_path: Path) -> None:
    async with scene(tmp_path, skew=skew, lifetime=3) as on:
        await on.daemon.event("clock_measured", used=True)
        async with asyncio.timeout(10):
            while (await on.call((await on.proof())[1]))[0] != 200:
                await asyncio.sleep(0.1)
        seen = segments((await on.proof())[1]["proof"])[1]["iat"]
        assert seen == pytest.approx(on.server.journal.requests[-1].at + skew, abs=10)


async def test_an_application_that_requires_it_is_named_with_what_to_set(tmp_path: Path) -> None:
    async with scene(tmp_path, dpop=False, held=False) as on:
        status, text = await get(f"{on.broker}/v1/tokens/t")
        assert status == 503
        said = json.loads(text)
        assert "clients.c.dpop to true" in said["hint"]
        assert "Require" in said["hint"]
        assert (await on.proof())[0] == 503


async def test_the_published_keys_are_those_of_the_client_and_not_the_proof_key(tmp_path: Path) -> None:
    async with scene(tmp_path) as on:
        _, text = await get(f"{on.admin}/clients/c/jwks.json")
        proof_key = segments((await on.proof())[1]["proof"])[0]["jwk"]
        assert [key["kid"] for key in json.loads(text)["keys"]] == ["k1"]
        assert proof_key["x"] not in text


async def test_proofs_are_counted_and_not_timed(tmp_path: Path) -> None:
    async with scene(tmp_path) as on:
        await on.proof()
        _, text = await get(f"{on.admin}/metrics")
        route = 'route="/v1/tokens/{name}/proof"'
        assert f'token_broker_requests_total{{code="200",{route}}} 1.0' in text
        assert f"token_broker_request_duration_seconds_count{{{route}}}" not in text
        assert 'token_broker_handouts_total{caller="anonymous",token="t"} 1.0' in text
