"""Every example in config/ gets its tokens from a server that checks what the provider checks."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from e2e.processes import PATIENCE, Running, get, started
from providers import examples
from providers.authentications import ASSERTION, Asserting, Entra, proof_key
from providers.examples import Example
from providers.grants import GRANT, Salesforce
from providers.jwts import Jwt, Refused, read, sha256
from providers.servers import Server, serving

pytestmark = pytest.mark.slow
NOT_A_JWT = Refused("not a JWT")


@dataclass
class Stage:
    """An example that runs."""

    example: Example
    server: Server
    broker: Running
    url: str

    async def token(self, name: str) -> dict[str, Any]:
        """What a workload is handed out."""
        headers = {"Authorization": f"Bearer {examples.SECRET}"} if "callers" in self.example.tree["api"] else {}
        status, text = await get(f"{self.url}/v1/tokens/{name}?wait=30s", **headers)
        assert status == 200, text + self.broker.output
        return dict(json.loads(text))

    @property
    def assertions(self) -> list[Jwt]:
        """What the server was sent."""
        forms = [asked.form for asked in self.server.asked]
        sent = [form.get("assertion") or form["client_assertion"] for form in forms]
        return [read(compact, else_say=NOT_A_JWT) for compact in sent]


@asynccontextmanager
async def staged(name: str, folder: Path, change: Callable[[Example], None] = lambda _: None) -> AsyncIterator[Stage]:
    """The example `name`, changed before it runs."""
    made: list[Example] = []

    def judge(base: str) -> Any:
        made.append(examples.of(name, base, folder))
        change(made[0])
        return made[0].judge

    async with serving(judge) as server, started("run", "--config", str(made[0].write(folder))) as broker:
        yield Stage(made[0], server, broker, await broker.address("api"))


def test_somebody_stands_behind_every_example() -> None:
    assert examples.BEHIND.keys() == set(examples.NAMES)


@pytest.mark.parametrize("name", examples.NAMES)
async def test_an_example_gets_its_tokens(name: str, tmp_path: Path) -> None:
    async with staged(name, tmp_path) as stage:
        tokens = {name: await stage.token(name) for name in stage.example.tokens}
        assert [refused.body["error"] for refused in stage.server.refused] in ([], ["use_dpop_nonce"])
        assert len({token["access_token"] for token in tokens.values()}) == len(tokens)
        for token in tokens.values():
            assert token["token_type"] == ("DPoP" if name == "okta-dpop" else "Bearer")
        jtis = [assertion.claims.get("jti") for assertion in stage.assertions]
        assert len(set(jtis)) == len(jtis) or name == "entra-federated"
        for asked in stage.server.asked:
            bearer = asked.form["grant_type"] == GRANT
            credential = {"assertion"} if bearer else {"client_assertion", "client_assertion_type"}
            assert asked.form.get("client_assertion_type", ASSERTION) == ASSERTION
            assert asked.form.keys() - {"scope", "audience", "client_id"} == {"grant_type", *credential}


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("google", {"iss", "aud", "iat", "exp", "jti", "scope"}),
        ("salesforce", {"iss", "sub", "aud", "iat", "exp", "jti"}),
        ("maskinporten", {"iss", "aud", "iat", "exp", "jti", "scope"}),
        ("id-porten", {"iss", "aud", "iat", "exp", "jti", "scope"}),
        ("docusign", {"iss", "sub", "aud", "iat", "exp", "jti", "scope"}),
        ("zitadel", {"iss", "sub", "aud", "iat", "exp", "jti"}),
        ("entra", {"iss", "sub", "aud", "iat", "exp", "jti"}),
    ],
)
async def test_an_assertion_says_no_more_than_the_provider_asks_for(
    name: str, claims: set[str], tmp_path: Path
) -> None:
    async with staged(name, tmp_path) as stage:
        await stage.token(next(iter(stage.example.tokens)))
        assert {frozenset(assertion.claims) - {"sub"} for assertion in stage.assertions} == {
            frozenset(claims - {"sub"})
        }
        assert any(assertion.claims.keys() == claims for assertion in stage.assertions)
        with_scope = {"scope" in asked.form for asked in stage.server.asked}
        assert with_scope == {name in {"zitadel", "entra"}}


async def test_a_workload_is_told_where_its_salesforce_is(tmp_path: Path) -> None:
    async with staged("salesforce", tmp_path) as stage:
        token = await stage.token("crm")
        assert token["instance_url"] == "https://acme.my.salesforce.com"
        assert token.keys() == {"access_token", "token_type", "expires_in", "expires_at", "scope", "instance_url"}
        assert 3500 <= token["expires_in"] <= 3600


async def test_a_user_who_was_not_approved_is_told_in_salesforces_words(tmp_path: Path) -> None:
    def nobody(example: Example) -> None:
        assert isinstance(example.judge, Salesforce)
        example.judge.approved = ()

    async with staged("salesforce", tmp_path, nobody) as stage:
        failed = await stage.broker.event("refresh_failed", token="crm")
        assert "user hasn't approved this consumer" in json.dumps(failed)
        status, _ = await get(f"{stage.url}/v1/tokens/crm")
        assert status == 503


async def test_maskinportens_own_claims_are_passed_on(tmp_path: Path) -> None:
    def on_behalf(example: Example) -> None:
        example.tree["clients"]["maskinporten"]["assertion"] = {"claims": {"consumer_org": "910753614"}}
        example.tree["tokens"]["registry"]["resource"] = ["https://api.example.no/"]

    async with staged("maskinporten", tmp_path, on_behalf) as stage:
        assert (await stage.token("registry"))["scope"] == "acme:registry.read"
        (assertion,) = stage.assertions
        assert assertion.claims["consumer_org"] == "910753614"
        assert assertion.claims["resource"] == ["https://api.example.no/"]


async def test_google_is_told_as_whom_only_where_that_is_wanted(tmp_path: Path) -> None:
    async with staged("google", tmp_path) as stage:
        for name in stage.example.tokens:
            await stage.token(name)
        assert sorted(str(assertion.claims.get("sub")) for assertion in stage.assertions) == [
            "None",
            "admin@example.com",
        ]
        assert {assertion.header["kid"] for assertion in stage.assertions} == {examples.KID}


async def test_entra_finds_the_key_by_its_certificate(tmp_path: Path) -> None:
    async with staged("entra", tmp_path) as stage:
        await stage.token("graph")
        judge = stage.example.judge
        assert isinstance(judge, Entra)
        (assertion,) = stage.assertions
        assert assertion.header["alg"] == "PS256"
        assert [assertion.header["x5t#S256"]] == list(judge.certificates)
        assert stage.server.asked[0].form["client_id"] == stage.example.client.client_id


async def test_a_projected_token_is_read_again_for_every_request(tmp_path: Path) -> None:
    def short(example: Example) -> None:
        assert isinstance(example.judge, Entra)
        example.judge.lifetime = 4

    async with staged("entra-federated", tmp_path, short) as stage:
        await stage.token("graph")
        first = stage.assertions[0].compact
        file = Path(stage.example.tree["clients"]["entra"]["assertion_file"])
        file.write_text(second := examples.projected_token(expires=examples.FAR - 1))
        async with asyncio.timeout(PATIENCE):
            while stage.assertions[-1].compact == first:
                await asyncio.sleep(0.05)
        assert stage.assertions[-1].compact == second
        assert stage.server.refused == []


async def test_oktas_tokens_are_bound_to_the_key_of_their_proofs(tmp_path: Path) -> None:
    async with staged("okta-dpop", tmp_path) as stage:
        await stage.token("users-api")
        api = f"{stage.server.base}/api/v1/users"
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{stage.url}/v1/tokens/users-api/proof",
                json={"method": "GET", "url": f"{api}?limit=1"},
                headers={"Metadata": "true"},
            ) as answer,
        ):
            assert answer.status == 200, await answer.text()
            told = await answer.json()
        proof = read(told["proof"], else_say=NOT_A_JWT)
        judge = stage.example.judge
        assert isinstance(judge, Asserting)
        assert proof_key(proof).thumbprint() in judge.thumbprints
        assert proof.claims["ath"] == sha256(told["access_token"].encode())
        assert (proof.claims["htm"], proof.claims["htu"]) == ("GET", api)
        assert stage.server.refused[0].body["error"] == "use_dpop_nonce"
        assert len(stage.server.refused) == 1


async def test_a_file_that_is_to_hold_a_token_holds_it(tmp_path: Path) -> None:
    async with staged("callers", tmp_path) as stage:
        token = await stage.token("groups-api")
        (sink,) = stage.example.tokens["groups-api"]["sinks"]
        async with asyncio.timeout(PATIENCE):
            while not Path(sink["path"]).exists():
                await asyncio.sleep(0.05)
        assert token["access_token"] in Path(sink["path"]).read_text()
