"""A client with several keys, of which the server takes some."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from broker.core.errors import RefusalError
from broker.core.events import KeyAccepted, KeyFellBack
from broker.devserver import Fault
from grant.stage import TOKEN, Stage, with_dev_server, with_two_keys

BARE = {"error": "invalid_client"}


def said(stage: Stage) -> list[KeyAccepted | KeyFellBack]:
    return [event for event in stage.events if isinstance(event, KeyAccepted | KeyFellBack)]


async def test_the_next_key_follows_a_refused_one_at_once(tmp_path: Path) -> None:
    async with with_two_keys(tmp_path) as (stage, server, public):
        server.register("client", {"keys": public[1:]}, {"read", "write"})
        await stage.grant.fetch(TOKEN)
        assert [seen.kid for seen in server.journal.requests] == ["k1", "k2"]
        assert said(stage) == [KeyFellBack(client="c", kid="k2", refused="k1", reason="kid_refused")]


async def test_the_key_that_was_taken_is_kept_to(tmp_path: Path) -> None:
    async with with_two_keys(tmp_path) as (stage, server, public):
        server.register("client", {"keys": public[1:]}, {"read", "write"})
        for _ in range(3):
            await stage.grant.fetch(TOKEN)
        assert [seen.kid for seen in server.journal.requests] == ["k1", "k2", "k2", "k2"]
        assert len(said(stage)) == 1


async def test_the_preferred_key_comes_back_when_the_other_one_is_withdrawn(tmp_path: Path) -> None:
    async with with_two_keys(tmp_path) as (stage, server, public):
        server.register("client", {"keys": public[1:]}, {"read", "write"})
        await stage.grant.fetch(TOKEN)
        server.register("client", {"keys": public[:1]}, {"read", "write"})
        await stage.grant.fetch(TOKEN)
        assert [seen.kid for seen in server.journal.requests] == ["k1", "k2", "k2", "k1"]
        assert said(stage)[-1] == KeyAccepted(client="c", kid="k1")


async def test_the_first_acceptance_of_a_key_is_told_once(tmp_path: Path) -> None:
    async with with_two_keys(tmp_path) as (stage, server, public):
        server.register("client", {"keys": public}, {"read", "write"})
        for _ in range(3):
            await stage.grant.fetch(TOKEN)
        assert said(stage) == [KeyAccepted(client="c", kid="k1")]


async def test_when_no_key_is_taken_the_refusal_of_the_preferred_one_is_told(tmp_path: Path) -> None:
    async with with_two_keys(tmp_path) as (stage, server, public):
        server.register("client", {"keys": [public[0] | {"kid": "k0"}]}, {"read", "write"})
        with pytest.raises(RefusalError, match="401") as error:
            await stage.grant.fetch(TOKEN)
        assert "kid is invalid" in error.value.description
        assert [seen.kid for seen in server.journal.requests] == ["k1", "k2"]


async def test_a_refusal_without_a_reason_may_be_about_a_key_that_nobody_has_taken_yet(tmp_path: Path) -> None:
    async with with_two_keys(tmp_path) as (stage, server, public):
        server.register("client", {"keys": public}, {"read", "write"})
        server.faults.add(Fault(status=401, body=BARE, times=1))
        await stage.grant.fetch(TOKEN)
        assert [seen.kid for seen in server.journal.requests] == ["k1", "k2"]


async def test_a_refusal_without_a_reason_is_not_about_a_key_that_was_taken_before(tmp_path: Path) -> None:
    async with with_two_keys(tmp_path) as (stage, server, public):
        server.register("client", {"keys": public}, {"read", "write"})
        await stage.grant.fetch(TOKEN)
        server.faults.add(Fault(status=401, body=BARE))
        with pytest.raises(RefusalError):
            await stage.grant.fetch(TOKEN)
        assert [seen.kid for seen in server.journal.requests] == ["k1", "k1"]


async def test_a_refusal_without_a_reason_of_a_key_that_stands_in_has_the_preferred_one_tried(tmp_path: Path) -> None:
    async with with_two_keys(tmp_path) as (stage, server, public):
        server.register("client", {"keys": public[1:]}, {"read", "write"})
        await stage.grant.fetch(TOKEN)
        server.register("client", {"keys": public[:1]}, {"read", "write"})
        server.faults.add(Fault(status=401, body=BARE, times=1))
        await stage.grant.fetch(TOKEN)
        assert [seen.kid for seen in server.journal.requests] == ["k1", "k2", "k2", "k1"]


@pytest.mark.parametrize(
    "body",
    [
        {"error": "invalid_scope", "error_description": "No scopes were requested."},
        {"error": "invalid_client", "error_description": "Invalid value for 'client_id' parameter."},
        {"error": "consent_required", "error_description": "You are not allowed any of the requested scopes."},
    ],
    ids=lambda body: body["error_description"],
)
async def test_no_other_key_is_tried_when_it_is_not_about_the_key(tmp_path: Path, body: dict[str, Any]) -> None:
    async with with_two_keys(tmp_path) as (stage, server, public):
        server.register("client", {"keys": public}, {"read", "write"})
        server.faults.add(Fault(status=400, body=body))
        with pytest.raises(RefusalError):
            await stage.grant.fetch(TOKEN)
        assert server.journal.total == 1


async def test_a_spent_assertion_is_replaced_by_one_of_the_same_key(tmp_path: Path) -> None:
    spent = {"error": "invalid_client", "error_description": "The client_assertion token has already been used."}
    async with with_two_keys(tmp_path) as (stage, server, public):
        server.register("client", {"keys": public}, {"read", "write"})
        server.faults.add(Fault(status=401, body=spent, times=1))
        await stage.grant.fetch(TOKEN)
        assert [seen.kid for seen in server.journal.requests] == ["k1", "k1"]


async def test_a_wrong_clock_and_a_refused_key_are_mended_by_one_token_request(tmp_path: Path) -> None:
    async with with_two_keys(tmp_path) as (stage, server, public):
        server.register("client", {"keys": public[1:]}, {"read", "write"})
        server.faults.skew = -120.0
        await stage.grant.fetch(TOKEN)
        assert [seen.kid for seen in server.journal.requests] == ["k1", "k2", "k2"]


async def test_many_tokens_at_once_find_the_key_that_is_taken(tmp_path: Path) -> None:
    async with with_two_keys(tmp_path) as (stage, server, public):
        server.register("client", {"keys": public[1:]}, {"read", "write"})
        await asyncio.gather(*(stage.grant.fetch(TOKEN) for _ in range(8)))
        assert server.journal.outcomes["issued"] == 8
        assert server.journal.total <= 16


async def test_a_file_s_new_key_is_used_at_once_and_the_old_one_while_the_new_one_is_refused(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path) as (stage, server):
        await stage.grant.fetch(TOKEN)
        Stage(tmp_path, "")  # writes another key into the same file
        await stage.keys.load()
        await stage.grant.fetch(TOKEN)
        assert [seen.outcome for seen in server.journal.requests] == ["issued", "refused", "issued"]
        fallen = said(stage)[-1]
        assert isinstance(fallen, KeyFellBack)
        assert fallen.reason == "signature_refused"


async def test_once_the_new_key_was_taken_the_old_one_is_forgotten(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path) as (stage, server):
        await stage.grant.fetch(TOKEN)
        old = stage.public
        new = Stage(tmp_path, "").public
        await stage.keys.load()
        server.register("client", {"keys": [new]}, {"read", "write"})
        await stage.grant.fetch(TOKEN)
        server.register("client", {"keys": [old]}, {"read", "write"})
        with pytest.raises(RefusalError):
            await stage.grant.fetch(TOKEN)
        assert [seen.outcome for seen in server.journal.requests] == ["issued", "issued", "refused"]
