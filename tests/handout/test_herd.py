"""Many workloads at once, a whole broker, and what the authorization server sees of it."""

import asyncio
import json
import resource
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from broker.app.clock import boot_clock
from broker.app.compose import running
from broker.core.events import Event, RefreshForced
from broker.core.settings import Admin, Api, Assertion, ClientSettings, KeySettings, Settings, TokenSettings
from broker.devserver import DevServer, Fault
from raw_http import Answer, ask, get

MANY = 1000
LIFETIME = 100.0


@pytest.fixture(autouse=True)
def enough_descriptors() -> None:
    """Both ends of every connection are in this process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 3 * MANY:
        pytest.skip(f"rights: this system permits {most} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (3 * MANY, most))


async def test_a_thousand_requests_within_a_second_cause_one_to_the_authorization_server(tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256", {"kid": "k", "use": "sig", "alg": "ES256"})
    (tmp_path / "key.jwk").write_text(json.dumps(key.as_dict(private=True)))
    told: list[Event] = []
    ahead = 0.0
    clock = boot_clock()
    async with DevServer(lifetime=LIFETIME) as server:
        server.register("client", {"keys": [dict(key.as_dict(private=False))]}, {"read"})
        settings = Settings(
            api=Api(listen=("127.0.0.1:0",), max_connections=2 * MANY),
            admin=Admin(listen=("127.0.0.1:0",)),
            clients={
                "c": ClientSettings(
                    client_id="client",
                    issuer=server.issuer,
                    private_keys=(KeySettings(file=str(tmp_path / "key.jwk")),),
                    assertion=Assertion(audience="token_endpoint"),
                )
            },
            tokens={"t": TokenSettings(client="c", scopes=("read",))},
        )
        async with running(settings, observers=[told.append], now=lambda: clock() + ahead) as broker:
            first = await broker.store.wait("t", 10)
            assert first
            before = server.journal.total
            server.faults.set(Fault(delay=2.0))  # so that all of them are there before the answer is
            ahead = 11.0  # a tenth of the token's life is over, and `min_ttl` may ask for the nine that are left
            head = get("/v1/token?min_ttl=90s", "Metadata: true")
            address = broker.api.addresses[0]

            async def one(number: int) -> Answer:
                await asyncio.sleep(number / MANY)
                return await ask(address, head)

            answers = await asyncio.gather(*map(one, range(MANY)))
            assert server.journal.total == before + 1
    assert {answer.status for answer in answers} == {200}
    assert {answer.json["access_token"] != first.access_token for answer in answers} == {True}
    assert min(answer.json["expires_in"] for answer in answers) >= 90
    assert len([event for event in told if isinstance(event, RefreshForced)]) == 1
