"""Tokens bound to a key (RFC 9449), granted by oidc-provider and taken by an API that oauth4webapi guards."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from broker.core.durations import Duration
from broker.core.errors import RefusalError
from broker.core.settings import Dpop, TokenSettings
from broker.providers.diagnose import diagnose
from devserver_client import Prover, ath
from e2e.processes import Running, started
from interop.provider import Client, Provider, running
from interop.test_broker import a_grant, settings_of
from key_forms import segments

RESOURCE = "https://api.example/"
TOKEN = TokenSettings(client="c", scopes=("orders",), resource=(RESOURCE,))
WANTS_NONCE = "use_dpop_nonce"


def a_server(folder: Path, *, require_nonce: bool) -> AbstractContextManager[Provider]:
    return running(
        folder,
        resources={RESOURCE: {"scope": "orders", "accessTokenFormat": "jwt"}},
        dpop={"require_nonce": require_nonce},
        api={"audience": RESOURCE, "require_nonce": require_nonce},
    )


@pytest.fixture(scope="module", params=[True, False], ids=["nonce", "no-nonce"])
def provider(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """It and its API require a nonce, or take proofs without one."""
    with a_server(tmp_path_factory.mktemp("dpop"), require_nonce=request.param) as one:
        yield one


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Requires a nonce."""
    with a_server(tmp_path_factory.mktemp("strict"), require_nonce=True) as one:
        yield one


def refusals(provider: Provider, client: Client) -> list[str]:
    return [said.error for said in provider.refused(client.client_id)]


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_a_token_is_bound_to_the_key_of_the_proof(
    provider: Provider, algorithm: Any, request: pytest.FixtureRequest
) -> None:
    client = provider.client("ES256", dpop_bound_access_tokens=True)
    settings = replace(settings_of(provider, client), dpop=Dpop(algorithm=algorithm))
    async with a_grant(settings) as grant:
        first, second = await grant.fetch(TOKEN), await grant.fetch(TOKEN)
    for token in (first, second):
        assert token.token_type == "DPoP"
        assert token.proof_key
        assert token.proof_key.algorithm == algorithm
        assert segments(token.access_token)[1]["cnf"] == {"jkt": token.proof_key.thumbprint}
    # One request more, for the first nonce; the second token is asked for with what came with the first.
    assert refusals(provider, client) == [WANTS_NONCE] * ("no-nonce" not in request.node.callspec.id)
    assert [said.token_type for said in provider.granted(client.client_id)] == ["DPoP"] * 2


async def test_a_nonce_that_is_forgotten_costs_one_request_more_with_another_assertion(strict: Provider) -> None:
    client = strict.client("ES256", dpop_bound_access_tokens=True)
    async with a_grant(replace(settings_of(strict, client), dpop=Dpop())) as grant:
        for number in range(1, 4):
            assert (await grant.fetch(TOKEN)).token_type == "DPoP"
            assert refusals(strict, client) == [WANTS_NONCE] * number, "no assertion was refused for its jti"
            strict.change_nonces("forgotten")


async def test_the_nonce_that_comes_with_a_token_is_the_one_of_the_next_proof(tmp_path: Path) -> None:
    """The server accepts each for three minutes: who does not take the new ones is refused by then."""
    with a_server(tmp_path, require_nonce=True) as provider:
        client = provider.client("ES256", dpop_bound_access_tokens=True)
        settings = replace(settings_of(provider, client), dpop=Dpop())
        # That time passes for the nonces only: the server's clock ends up eight minutes ahead.
        patient = replace(settings, assertion=replace(settings.assertion, lifetime=Duration(900)))
        async with a_grant(patient) as grant:
            for _ in range(8):
                await grant.fetch(TOKEN)
                provider.change_nonces("next")
        assert refusals(provider, client) == [WANTS_NONCE]


async def test_a_client_that_must_prove_and_does_not_is_refused(strict: Provider) -> None:
    client = strict.client("ES256", dpop_bound_access_tokens=True)
    async with a_grant(settings_of(strict, client)) as grant:
        with pytest.raises(RefusalError) as error:
            await grant.fetch(TOKEN)
    assert diagnose(error.value).reason
    assert [said.detail for said in strict.refused(client.client_id)] == ["DPoP proof JWT not provided"]


@dataclass
class Workload:
    """Calls the API with tokens and proofs of a daemon, whose URL is `broker`."""

    http: aiohttp.ClientSession
    broker: str
    api: str
    nonce: str | None = None

    async def proof(self, path: str = "/orders", method: str = "GET", **more: object) -> dict[str, Any]:
        """What the daemon answers."""
        wanted = {"method": method, "url": self.api + path, "nonce": self.nonce} | more
        url = f"{self.broker}/v1/tokens/t/proof"
        async with self.http.post(url, json=wanted, headers={"Metadata": "true"}) as answer:
            said: dict[str, Any] = await answer.json()
            return said | {"status": answer.status}

    async def send(self, said: dict[str, Any], path: str = "/orders", method: str = "GET", scheme: str = "DPoP") -> int:
        headers = {"Authorization": f"{scheme} {said['access_token']}", "DPoP": said["proof"]}
        async with self.http.request(method, self.api + path, headers=headers) as answer:
            self.nonce = answer.headers.get("DPoP-Nonce", self.nonce)
            return answer.status

    async def call(self, path: str = "/orders", method: str = "GET") -> int:
        """One call, and one more where the API says that it wants another nonce."""
        before = self.nonce
        status = await self.send(await self.proof(path, method), path, method)
        return status if self.nonce == before else await self.send(await self.proof(path, method), path, method)


@dataclass(frozen=True)
class Scene:
    provider: Provider
    client: Client
    daemon: Running
    workload: Workload


@asynccontextmanager
async def scene(folder: Path, provider: Provider, **client: Any) -> AsyncIterator[Scene]:
    """A daemon with `dpop`, and a workload beside it."""
    registered = provider.client("ES256", dpop_bound_access_tokens=True, **client)
    config = {
        "api": {"listen": ["127.0.0.1:0"]},
        "admin": {"listen": ["127.0.0.1:0"]},
        "clients": {
            "c": {
                "issuer": provider.issuer,
                "client_id": registered.client_id,
                "private_key": {"file": str(registered.key_file)},
                "assertion": {"audience": "token_endpoint"},
                "dpop": {"targets": [provider.api, provider.issuer]},
            }
        },
        "tokens": {"t": {"scopes": ["orders"], "resource": [RESOURCE]}},
    }
    file = folder / "config.yaml"
    file.write_text(json.dumps(config))  # which is YAML
    async with aiohttp.ClientSession() as http, started("run", "--config", str(file)) as daemon:
        await daemon.event("token_refreshed")
        yield Scene(provider, registered, daemon, Workload(http, await daemon.address("api"), provider.api))


async def test_an_api_takes_the_daemons_tokens_with_its_proofs(provider: Provider, tmp_path: Path) -> None:
    async with scene(tmp_path, provider) as on:
        for method, path in (("GET", "/orders"), ("GET", "/orders?after=1"), ("POST", "/orders"), ("DELETE", "/a%2Fb")):
            assert await on.workload.call(path, method) == 200
        called = [(said.method, said.path) for said in provider.called(on.client.client_id)]
        assert called == [("GET", "/orders"), ("GET", "/orders"), ("POST", "/orders"), ("DELETE", "/a%2Fb")]


async def test_it_takes_a_proof_for_nothing_else_than_that_request(provider: Provider, tmp_path: Path) -> None:
    async with scene(tmp_path, provider) as on:
        work = on.workload
        assert await work.call() == 200
        used = await work.proof()
        assert await work.send(used) == 200
        assert await work.send(used) == 401
        assert await work.send(await work.proof(), method="PUT") == 401
        assert await work.send(await work.proof(), path="/others") == 401
        assert await work.send(await work.proof(), scheme="Bearer") == 401
        details = [said.detail for said in provider.turned_away()][-4:]
        assert details[:3] == ["the proof was used before", "DPoP Proof htm mismatch", "DPoP Proof htu mismatch"]
        assert "scheme is not DPoP" in details[3]


async def test_a_stranger_who_has_the_token_has_nothing(provider: Provider, tmp_path: Path) -> None:
    async with scene(tmp_path, provider) as on:
        assert await on.workload.call() == 200
        said = await on.workload.proof()
        stranger = Prover(f"{provider.api}/orders", time.time, method="GET", nonce=on.workload.nonce)
        forged = said | {"proof": stranger.proof(ath=ath(said["access_token"]))}
        assert await on.workload.send(forged) == 401
        assert provider.turned_away()[-1].detail == "JWT Access Token confirmation mismatch"


async def test_nobody_gets_a_proof_for_the_token_endpoint(provider: Provider, tmp_path: Path) -> None:
    async with scene(tmp_path, provider) as on:
        said = await on.workload.proof(method="POST", url=provider.token_endpoint)
        assert (said["status"], said["error"]) == (403, "forbidden")
        assert (await on.workload.proof(url=f"{provider.issuer}/userinfo"))["status"] == 200


async def test_no_call_fails_while_tokens_and_nonces_change(strict: Provider, tmp_path: Path) -> None:
    async with scene(tmp_path, strict, token_lifetime=3) as on:
        tokens: list[str] = []
        while len(tokens) < 5:
            assert await on.workload.call() == 200
            token = (await on.workload.proof())["access_token"]
            if token not in tokens:
                tokens.append(token)
                strict.change_nonces("forgotten")
            await asyncio.sleep(0.05)
        assert not [event for event in on.daemon.events if event["event"] == "refresh_failed"]
        assert set(refusals(strict, on.client)) == {WANTS_NONCE}
        secret = [*tokens, *(segments(token)[1]["cnf"]["jkt"] for token in tokens)]
        assert not [text for text in secret if text in on.daemon.output]
