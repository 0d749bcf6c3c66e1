"""One token request, whole, against the development server and against bytes."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest
from joserfc.jwk import ECKey
from msgspec.structs import replace

from broker.core.durations import Duration
from broker.core.errors import CoolingError, KeyFileError, NetworkError, RefusalError, ReplyError, SecretFileError
from broker.core.events import ClockMeasured
from broker.core.settings import Assertion, KeySettings, TokenSettings
from broker.devserver import Fault
from broker.keys.watch import KeyFiles
from broker.providers.diagnose import diagnose
from grant.stage import GOOD, TOKEN, a_stage, sent, with_dev_server
from raw_server import answers, http, raw_server


async def test_a_strict_server_grants_a_token(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path) as (stage, server):
        token = await stage.grant.fetch(TOKEN)
        assert (token.scope, token.lifetime) == ("read write", 600)
        assert server.journal.requests[0].kid == "k1"


async def test_the_form_is_that_of_the_client_credentials_grant(tmp_path: Path) -> None:
    form, _ = await sent(tmp_path, TOKEN)
    assertion = form.pop("client_assertion")
    assert len(assertion) == 1
    assert form == {
        "grant_type": ["client_credentials"],
        "scope": ["read write"],
        "client_assertion_type": ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"],
    }


async def test_the_assertion_says_who_for_whom_and_for_how_long(tmp_path: Path) -> None:
    before = time.time()
    form, assertion = await sent(tmp_path, TOKEN)
    claims = assertion.claims
    assert claims["iss"] == claims["sub"] == "client"
    assert claims["aud"].endswith("/token")
    assert before - 7 <= claims["iat"] <= time.time() - 5
    assert claims["exp"] - claims["iat"] == 60
    assert set(claims) == {"iss", "sub", "aud", "iat", "exp", "jti"}
    assert assertion.header == {"typ": "JWT", "alg": "ES256", "kid": "k1"}
    assert form


async def test_everything_configured_reaches_the_server(tmp_path: Path) -> None:
    token = TokenSettings(
        client="c",
        audience="https://api.example",
        resource=("https://a.example", "https://b.example"),
        parameters={"tenant": "acme"},
    )
    form, assertion = await sent(
        tmp_path,
        token,
        issuer="https://issuer.example/",
        send_client_id=True,
        assertion=Assertion(
            audience="issuer", lifetime=Duration(120), typ="client-authentication+jwt", claims={"x": 1}
        ),
    )
    assert form["client_id"] == ["client"]
    assert form["audience"] == ["https://api.example"]
    assert form["resource"] == ["https://a.example", "https://b.example"]
    assert form["tenant"] == ["acme"]
    assert "scope" not in form
    assert assertion.claims["aud"] == "https://issuer.example/"
    assert assertion.claims["exp"] - assertion.claims["iat"] == 120
    assert assertion.claims["x"] == 1
    assert assertion.header["typ"] == "client-authentication+jwt"


async def test_a_literal_audience_is_sent_as_it_is_written(tmp_path: Path) -> None:
    _, assertion = await sent(tmp_path, TOKEN, assertion=Assertion(audience="https://other.example/x"))
    assert assertion.claims["aud"] == "https://other.example/x"


async def test_secret_parameters_and_claims_come_from_their_files(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"key": "secret"}')
    (tmp_path / "c.json").write_text('{"claim": [1]}')
    form, assertion = await sent(
        tmp_path,
        TokenSettings(client="c", parameters_file=str(tmp_path / "p.json")),
        assertion=Assertion(audience="token_endpoint", claims_file=str(tmp_path / "c.json")),
    )
    assert form["key"] == ["secret"]
    assert assertion.claims["claim"] == [1]


@pytest.mark.parametrize("name", ["grant_type", "client_assertion", "client_secret", "scope"])
async def test_a_parameters_file_cannot_say_what_is_ours_to_say(tmp_path: Path, name: str) -> None:
    (tmp_path / "p.json").write_text(json.dumps({name: "mine"}))
    async with a_stage(tmp_path, "http://127.0.0.1:9/") as stage:
        with pytest.raises(SecretFileError, match=name):
            await stage.grant.fetch(TokenSettings(client="c", parameters_file=str(tmp_path / "p.json")))


@pytest.mark.parametrize("value", ["true", "null", "1", "{}", "[]"])
async def test_a_parameters_file_holds_texts_only(tmp_path: Path, value: str) -> None:
    (tmp_path / "p.json").write_text(f'{{"name": {value}}}')
    async with a_stage(tmp_path, "http://127.0.0.1:9/") as stage:
        with pytest.raises(SecretFileError, match="texts only"):
            await stage.grant.fetch(TokenSettings(client="c", parameters_file=str(tmp_path / "p.json")))


async def test_a_parameters_file_that_is_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.json")
    async with a_stage(tmp_path, "http://127.0.0.1:9/") as stage:
        with pytest.raises(SecretFileError, match="no regular file"):
            await stage.grant.fetch(TokenSettings(client="c", parameters_file=str(tmp_path / "p.json")))


@pytest.mark.parametrize("content", ["", "[]", "secret", "\xff", '{"a":"\\ud800"}', '{"a":' + "[" * 20_000])
async def test_a_parameters_file_that_is_no_object_is_named_without_its_content(tmp_path: Path, content: str) -> None:
    (tmp_path / "p.json").write_bytes(content.encode("latin-1"))
    async with a_stage(tmp_path, "http://127.0.0.1:9/") as stage:
        with pytest.raises(SecretFileError, match=r"p\.json") as error:
            await stage.grant.fetch(TokenSettings(client="c", parameters_file=str(tmp_path / "p.json")))
    assert "secret" not in str(error.value).replace("JSON object", "")


async def test_every_attempt_has_an_assertion_of_its_own(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path) as (stage, server):
        server.faults.add(Fault(status=500, times=1), Fault(lose_answer=True, times=1))
        with pytest.raises(RefusalError):
            await stage.grant.fetch(TOKEN)
        with pytest.raises(NetworkError):
            await stage.grant.fetch(TOKEN)
        await stage.grant.fetch(TOKEN)
        assert server.journal.total == 3
        assert server.journal.repeated == 0


async def test_a_refusal_as_replayed_is_followed_by_one_new_assertion_at_once(tmp_path: Path) -> None:
    replayed = {
        "error": "invalid_client",
        "error_description": "The client_assertion token has already been used.",
    }
    async with with_dev_server(tmp_path) as (stage, server):
        server.faults.add(Fault(status=401, body=replayed, times=1))
        await stage.grant.fetch(TOKEN)
        assert server.journal.total == 2
        server.faults.set(Fault(status=401, body=replayed))
        with pytest.raises(RefusalError):
            await stage.grant.fetch(TOKEN)
        assert server.journal.total == 4


async def test_a_wrong_key_is_not_tried_again_at_once(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path) as (stage, server):
        other = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})
        server.register("client", {"keys": [dict(other.as_dict(private=False))]}, {"read"})
        with pytest.raises(RefusalError, match="401"):
            await stage.grant.fetch(TOKEN)
        assert server.journal.total == 1


@pytest.mark.parametrize("skew", [-120.0, 120.0])
async def test_a_wrong_clock_is_corrected_after_the_first_refusal(tmp_path: Path, skew: float) -> None:
    """Ours is ahead (the server's behind), or behind by more than the assertion lives."""
    async with with_dev_server(tmp_path) as (stage, server):
        server.faults.skew = skew
        await stage.grant.fetch(TOKEN)
        assert server.journal.total == 2
        await stage.grant.fetch(TOKEN)
        assert server.journal.total == 3
        measured = [event for event in stage.events if isinstance(event, ClockMeasured)]
        assert measured[-1].used
        assert measured[-1].offset == pytest.approx(skew, abs=2)


async def test_a_wrong_clock_is_corrected_for_all_that_were_refused_together(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path) as (stage, server):
        server.faults.skew = -120.0
        tokens = await asyncio.gather(*(stage.grant.fetch(TOKEN) for _ in range(8)))
        assert len(tokens) == 8
        assert server.journal.total <= 16


async def test_a_clock_too_wrong_to_believe_is_refused_once_and_reported(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path) as (stage, server):
        stage.step = 4000
        with pytest.raises(RefusalError):
            await stage.grant.fetch(TOKEN)
        assert server.journal.total == 1
        (measured,) = (event for event in stage.events if isinstance(event, ClockMeasured))
        assert measured.offset == pytest.approx(-4000, abs=2)
        assert not measured.used


async def test_a_rate_limit_holds_back_every_token_of_the_client(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path) as (stage, server):
        server.faults.add(Fault(limit_resets_in=30, times=1))
        with pytest.raises(RefusalError) as first:
            await stage.grant.fetch(TOKEN)
        assert first.value.retry_after == pytest.approx(30, abs=1.5)
        with pytest.raises(RefusalError) as second:
            await stage.grant.fetch(TokenSettings(client="c", scopes=("read",)))
        assert second.value.status == 429
        assert second.value.retry_after == pytest.approx(31, abs=2)
        assert server.journal.total == 1


async def test_a_limit_in_other_words_than_429_holds_back_the_client_too(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path) as (stage, server):
        server.faults.set(Fault(status=400, body={"error": "slow_down"}, headers={"Retry-After": "600"}))
        for _ in range(3):
            with pytest.raises(RefusalError) as error:
                await stage.grant.fetch(TOKEN)
            assert diagnose(error.value).reason == "rate_limited"
            assert error.value.retry_after == pytest.approx(600, abs=2)
        assert server.journal.total == 1


async def test_a_limit_met_while_looking_for_the_endpoint_holds_back_the_client_too(tmp_path: Path) -> None:
    limited = answers(http(b"", status="429 Slow Down", headers="Retry-After: 600\r\n"))
    async with (
        raw_server(limited) as server,
        a_stage(tmp_path, "", issuer=server.url, token_endpoint=None) as stage,
    ):
        for _ in range(3):
            with pytest.raises(RefusalError):
                await stage.grant.fetch(TOKEN)
        assert len(server.requests) == 1


async def test_a_client_that_waits_for_its_metadata_holds_up_no_other(tmp_path: Path) -> None:
    async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    gate = asyncio.Semaphore(1)
    async with (
        raw_server(hang) as silent,
        a_stage(tmp_path, "", issuer=silent.url, token_endpoint=None) as stuck,
        with_dev_server(tmp_path) as (stage, _),
    ):
        stuck.grant.gate = stage.grant.gate = gate
        waiting = asyncio.gather(*(stuck.grant.fetch(TOKEN) for _ in range(5)), return_exceptions=True)
        await asyncio.sleep(0.05)
        async with asyncio.timeout(1):
            await stage.grant.fetch(TOKEN)
        outcomes = await waiting
        assert all(isinstance(outcome, NetworkError) for outcome in outcomes)
        # All five shared the one request that timed out after two seconds.
        assert len(silent.requests) == 1


async def test_a_token_that_was_too_long_on_its_way_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path) as (stage, server):
        server.lifetime = 1
        server.faults.set(Fault(delay=1.2))
        with pytest.raises(ReplyError) as error:
            await stage.grant.fetch(TOKEN)
        assert error.value.fault == "late"
        assert diagnose(error.value).reason == "timeout"


async def test_requests_to_one_server_are_bounded(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path) as (stage, server):
        server.faults.set(Fault(delay=0.05))
        await asyncio.gather(*(stage.grant.fetch(TOKEN) for _ in range(30)))
        assert server.journal.most_at_once == 8
        assert server.journal.repeated == 0


async def test_without_a_key_nothing_is_sent(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path) as (stage, server):
        stage.grant.order.ring = KeyFiles(
            "c",
            (KeySettings(file=str(tmp_path / "missing")),),
            provider="generic",
            algorithms=(),
            observe=stage.events.append,
        )
        with pytest.raises(KeyFileError):
            await stage.grant.fetch(TOKEN)
        assert server.journal.total == 0


async def test_an_endpoint_that_is_gone_is_looked_up_again(tmp_path: Path) -> None:
    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = server.requests[-1].split(b" ")[1]
        if path.startswith(b"/.well-known"):
            document = {"issuer": server.url, "token_endpoint": f"{server.url}/{where}"}
            writer.write(http(json.dumps(document).encode()))
        else:
            writer.write(GOOD if path == f"/{where}".encode() else http(b"", status="404 Not Found"))

    where = "old"
    async with raw_server(script) as server, a_stage(tmp_path, "", issuer=server.url, token_endpoint=None) as stage:
        await stage.grant.fetch(TOKEN)
        where = "new"
        with pytest.raises(RefusalError):
            await stage.grant.fetch(TOKEN)
        assert (await stage.grant.fetch(TOKEN)).access_token == "t"


async def test_waiting_out_a_limit_does_not_make_it_longer(tmp_path: Path) -> None:
    async with with_dev_server(tmp_path) as (stage, server):
        server.faults.add(Fault(retry_after=1, times=1))
        with pytest.raises(RefusalError):
            await stage.grant.fetch(TOKEN)
        until = stage.grant.cool_until
        for _ in range(3):
            await asyncio.sleep(0.1)
            with pytest.raises(CoolingError):
                await stage.grant.fetch(TOKEN)
        assert stage.grant.cool_until == until


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "exp", "iat", "jti"])
async def test_a_claims_file_may_not_say_what_the_broker_says(tmp_path: Path, claim: str) -> None:
    file = tmp_path / "claims.json"
    file.write_text(json.dumps({claim: "x"}))
    assertion = Assertion(audience="token_endpoint", claims_file=str(file))
    async with with_dev_server(tmp_path, assertion=assertion) as (stage, server):
        with pytest.raises(SecretFileError, match=f"claims.json may not hold {claim}"):
            await stage.grant.fetch(TOKEN)
        assert server.journal.total == 0


@pytest.mark.parametrize("secret", ["hunter2-long", "client", "signature", "invalid"])
async def test_a_secret_that_the_server_repeats_is_not_shown_and_changes_no_decision(
    tmp_path: Path, secret: str
) -> None:
    file = tmp_path / "parameters.json"
    file.write_text(json.dumps({"one": secret, "other": f"{secret}-and-more"}))
    said = f"The client_assertion signature is invalid. You sent {secret}-and-more and {secret}."
    async with with_dev_server(tmp_path) as (stage, server):
        server.faults.add(Fault(status=401, body={"error": "invalid_client", "error_description": said}))
        with pytest.raises(RefusalError) as error:
            await stage.grant.fetch(replace(TOKEN, parameters_file=str(file)))
    diagnosis = diagnose(error.value)
    assert diagnosis.reason == "signature_refused"
    assert secret not in diagnosis.words
    assert "and-more" not in diagnosis.words


async def test_a_refusal_is_understood_as_the_provider_means_it(tmp_path: Path) -> None:
    other = ECKey.generate_key("P-256", {"kid": "k2", "use": "sig", "alg": "ES256"})
    (tmp_path / "other.jwk").write_text(json.dumps(other.as_dict(private=True)))
    keys = (KeySettings(file=str(tmp_path / "key.jwk")), KeySettings(file=str(tmp_path / "other.jwk")))
    async with with_dev_server(tmp_path, provider="salesforce", private_keys=keys) as (stage, server):
        stage.grant.order.accepted(stage.keys.signers()[0])
        server.faults.add(Fault(status=400, body={"error": "invalid_grant", "error_description": "invalid assertion"}))
        with pytest.raises(RefusalError):
            await stage.grant.fetch(TOKEN)
        assert [seen.kid for seen in server.journal.requests] == ["k1", "k2"]
