"""Tokens bound to a key of the broker's (RFC 9449)."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from broker.core.errors import RefusalError, ReplyError
from broker.core.settings import Dpop
from broker.devserver import Fault
from broker.oauth.dpop_binding import MAX_AGE, Binding
from grant.stage import GOOD, TOKEN, a_stage, with_dev_server
from key_forms import segments, verifies
from raw_server import answers, http, raw_server

BOUND: dict[str, Any] = {"dpop": Dpop()}
GOOD_BOUND = http(b'{"access_token":"t","token_type":"dpop","expires_in":60}')


async def test_the_first_token_costs_one_more_request_to_learn_the_nonce_and_the_next_does_not(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path, **BOUND) as (stage, server):
        first = await stage.grant.fetch(TOKEN)
        assert first.token_type == "DPoP"
        assert [seen.outcome for seen in server.journal.requests] == ["refused", "issued"]
        await stage.grant.fetch(TOKEN)
        assert [seen.outcome for seen in server.journal.requests] == ["refused", "issued", "issued"]


async def test_the_retry_has_a_new_assertion_and_a_new_proof(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path, **BOUND) as (stage, server):
        await stage.grant.fetch(TOKEN)
        first, second = server.journal.requests
        assert first.jti != second.jti
        assert first.proof_jti != second.proof_jti
        assert first.nonce is None
        assert second.nonce is not None


async def test_a_nonce_that_changes_while_running_costs_one_more_request(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path, **BOUND) as (stage, server):
        await stage.grant.fetch(TOKEN)
        server.proofs.renew_nonce()
        server.proofs.renew_nonce()
        await stage.grant.fetch(TOKEN)
        assert [seen.outcome for seen in server.journal.requests] == ["refused", "issued", "refused", "issued"]


async def test_a_nonce_that_comes_with_a_token_is_used_for_the_next_one(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path, **BOUND) as (stage, server):
        await stage.grant.fetch(TOKEN)
        server.proofs.renew_nonce()
        await stage.grant.fetch(TOKEN)
        await stage.grant.fetch(TOKEN)
        issued = [seen.nonce for seen in server.journal.requests if seen.outcome == "issued"]
        assert len(set(issued)) == 2


async def test_a_server_that_wants_another_nonce_for_ever_is_asked_twice(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path, **BOUND) as (stage, server):
        server.faults.add(Fault(status=400, body={"error": "use_dpop_nonce"}, headers={"DPoP-Nonce": "one"}, times=1))
        server.faults.add(Fault(status=400, body={"error": "use_dpop_nonce"}, headers={"DPoP-Nonce": "two"}))
        with pytest.raises(RefusalError):
            await stage.grant.fetch(TOKEN)
        assert server.journal.total == 2


async def test_a_server_that_wants_a_nonce_and_gives_none_is_asked_once(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path, **BOUND) as (stage, server):
        server.faults.add(Fault(status=400, body={"error": "use_dpop_nonce"}))
        with pytest.raises(RefusalError):
            await stage.grant.fetch(TOKEN)
        assert server.journal.total == 1


async def test_the_token_is_bound_to_the_key_that_it_carries(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path, **BOUND) as (stage, _):
        token = await stage.grant.fetch(TOKEN)
        assert token.proof_key is not None
        assert segments(token.access_token)[1]["cnf"] == {"jkt": token.proof_key.thumbprint}


async def test_the_proof_key_is_none_of_the_client_s_keys(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path, **BOUND) as (stage, _):
        token = await stage.grant.fetch(TOKEN)
        assert token.proof_key is not None
        assert token.proof_key.thumbprint != stage.keys.signers()[0].thumbprint
        assert len(stage.keys.public_jwks()["keys"]) == 1


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_the_proof_is_signed_as_configured(tmp_path: Path, algorithm: Any) -> None:
    async with (
        raw_server(answers(GOOD_BOUND)) as server,
        a_stage(tmp_path, f"{server.url}/token", dpop=Dpop(algorithm=algorithm)) as stage,
    ):
        token = await stage.grant.fetch(TOKEN)
        (proof,) = (line[6:] for line in server.requests[0].split(b"\r\n") if line.startswith(b"DPoP: "))
        assert token.proof_key is not None
        header, claims = segments(proof.decode())
        assert (header["typ"], header["alg"]) == ("dpop+jwt", algorithm)
        assert (claims["htm"], claims["htu"]) == ("POST", f"{server.url}/token")
        assert verifies(token.proof_key.public_jwk, proof.decode())


async def test_a_bearer_token_in_place_of_a_bound_one_is_refused(tmp_path: Path) -> None:
    async with raw_server(answers(GOOD)) as server, a_stage(tmp_path, f"{server.url}/token", **BOUND) as stage:
        with pytest.raises(ReplyError) as error:
            await stage.grant.fetch(TOKEN)
        assert error.value.fault == "bearer"


async def test_tokens_asked_for_at_the_same_time_are_bound_to_the_same_key(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path, **BOUND) as (stage, _):
        tokens = await asyncio.gather(*(stage.grant.fetch(TOKEN) for _ in range(4)))
        assert len({token.proof_key.thumbprint for token in tokens if token.proof_key}) == 1


async def test_a_wrong_clock_is_mended_for_the_proof_as_well(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path, **BOUND) as (stage, server):
        server.faults.skew = -250.0
        assert (await stage.grant.fetch(TOKEN)).token_type == "DPoP"


async def test_a_key_gives_way_to_a_new_one_after_a_day() -> None:
    now = time.time()
    binding = Binding(Dpop(), lambda: now)
    first = await binding.key()
    now += MAX_AGE - 1
    assert await binding.key() is first
    now += 1
    assert await binding.key() is not first
