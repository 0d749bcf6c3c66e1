"""DPoP tokens over real sockets: with a proof for one request each, and never as Bearer."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.events import HandedOut, Refused
from broker.core.settings import CallerSettings
from broker.keys.generate import proof_signer
from broker.oauth.dpop import LONGEST_NONCE
from broker.workload_api.answers import Problem
from broker.workload_api.proofs import PER_SECOND, Allowance, ProofRequest, parse_proof_request
from desk import MARK, SECRET, Desk, open_desk
from key_forms import segments, verifies
from raw_http import Answer, ask, get, wire

KEY, OTHER_KEY = proof_signer("ES256"), proof_signer("ES256")
API, OTHER_API = "https://api.example", "http://localhost:9000"
TARGETS = {"users-api": (API, OTHER_API)}
REPORTS = "reports-0123456789abcdef"
PROOF = "/v1/tokens/users-api/proof"
WANTED = {"method": "GET", "url": f"{API}/users?after=1"}
JSON = "Content-Type: application/json"
FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """`users-api` is a DPoP token, `groups` a Bearer token."""
    async with open_desk(targets=TARGETS) as one:
        one.put("users-api", proof_key=KEY)
        one.put("groups", text="bearer-token")
        one.told.clear()
        yield one


def said(answer: Answer) -> tuple[int, str]:
    assert SECRET not in answer.body.decode()
    assert "proof" not in answer.json
    return answer.status, answer.json["error"]


async def claims(desk: Desk, **wanted: str) -> dict[str, Any]:
    answer = await desk.post(PROOF, body=WANTED | wanted)
    assert answer.status == 200
    return segments(answer.json["proof"])[1]


async def test_a_request_gets_the_token_and_a_proof_by_the_key_it_is_bound_to(desk: Desk) -> None:
    answer = await desk.post(PROOF, body=WANTED)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert answer.json.keys() == {"access_token", "token_type", "proof"}
    assert (answer.json["access_token"], answer.json["token_type"]) == (SECRET, "DPoP")
    header, _ = segments(answer.json["proof"])
    assert header["jwk"] == {name: KEY.public_jwk[name] for name in ("kty", "crv", "x", "y")}
    assert verifies(header["jwk"], answer.json["proof"])
    assert [event for event in desk.told if isinstance(event, HandedOut)] == [
        HandedOut(token="users-api", caller="anonymous")
    ]
    assert desk.served == [("/v1/tokens/{name}/proof", 200)]


async def test_the_proof_is_for_that_request_with_that_token_at_this_moment(desk: Desk) -> None:
    proof = await claims(desk, method="PATCH", nonce="n-1")
    digest = hashlib.sha256(SECRET.encode()).digest()
    assert proof.pop("jti")
    assert proof == {
        "htm": "PATCH",
        "htu": f"{API}/users",
        "iat": int(desk.wall()),
        "nonce": "n-1",
        "ath": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
    }


async def test_it_is_dated_by_the_authorization_servers_clock(desk: Desk) -> None:
    desk.server_ahead = -90.0
    assert (await claims(desk))["iat"] == int(desk.wall() - 90.0)


async def test_no_nonce_is_sent_unless_the_workload_gives_one(desk: Desk) -> None:
    assert "nonce" not in await claims(desk)
    answer = await desk.post(PROOF, body=WANTED | {"nonce": None})
    assert "nonce" not in segments(answer.json["proof"])[1]


async def test_every_proof_has_its_own_id(desk: Desk) -> None:
    assert len({(await claims(desk))["jti"] for _ in range(5)}) == 5


async def test_a_proof_is_by_the_key_of_the_token_that_comes_with_it(desk: Desk) -> None:
    desk.put("users-api", proof_key=OTHER_KEY, text="second-token")
    answer = await desk.post(PROOF, body=WANTED)
    assert answer.json["access_token"] == "second-token"
    assert segments(answer.json["proof"])[0]["jwk"]["x"] == OTHER_KEY.public_jwk["x"]


async def test_a_key_that_signs_in_a_thread_holds_nobody_up() -> None:
    signer = proof_signer("RS256")
    async with open_desk(targets=TARGETS) as desk:
        desk.put("users-api", proof_key=signer)
        answers = await asyncio.gather(*(desk.post(PROOF, body=WANTED) for _ in range(5)))
        assert all(verifies(segments(answer.json["proof"])[0]["jwk"], answer.json["proof"]) for answer in answers)


@pytest.mark.parametrize(
    ("url", "htu"),
    [
        (f"{API}/users", f"{API}/users"),
        ("HTTPS://API.example:443/Users#x", f"{API}/Users"),
        (f"{OTHER_API}/x", f"{OTHER_API}/x"),
        (API, f"{API}/"),
    ],
)
async def test_the_url_is_named_as_a_client_will_send_it(url: str, htu: str, desk: Desk) -> None:
    assert (await claims(desk, url=url))["htu"] == htu


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/users",
        "https://api.example.evil.example/",
        "https://evil-api.example/",
        "https://sub.api.example/",
        "https://api.example:8443/users",
        "https://api.example:80/users",
        "http://localhost:9001/x",
        "http://localhost/x",
        "https://localhost:9000/x",
        "http://127.0.0.1:9000/x",
    ],
)
async def test_a_url_outside_the_targets_gets_no_proof_and_learns_the_key_to_change(url: str, desk: Desk) -> None:
    answer = await desk.post(PROOF, body=WANTED | {"url": url})
    assert said(answer) == (403, "forbidden")
    assert answer.json["reason"] == "permission"
    assert answer.json["error_description"] == (
        f"Proofs with users-api are for these origins: {API}, {OTHER_API}; clients.okta.dpop.targets has them."
    )
    assert Refused(reason="permission") in desk.told
    assert desk.handed_out == []


async def test_without_targets_there_is_no_proof() -> None:
    async with open_desk(targets={"users-api": ()}) as desk:
        desk.put("users-api", proof_key=KEY)
        answer = await desk.post(PROOF, body=WANTED)
        assert said(answer) == (403, "forbidden")
        assert "origins: none;" in answer.json["error_description"]


@pytest.mark.parametrize(
    "url",
    [
        f"{API}/oauth2/v1/token",
        f"{API}/oauth2/v1/%74oken/",
        f"{API}//OAUTH2/v1/token?x",
        f"{API}/oauth2%252fv1%5Ctoken",
    ],
)
async def test_the_token_endpoint_gets_no_proof_although_its_origin_is_a_target(url: str, desk: Desk) -> None:
    desk.token_endpoint = f"{API}/oauth2/v1/token"
    answer = await desk.post(PROOF, body=WANTED | {"method": "POST", "url": url})
    assert said(answer) == (403, "forbidden")
    assert "token endpoint" in answer.json["error_description"]
    assert (await desk.post(PROOF, body=WANTED)).status == 200


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], None, "x", {"method": "GET"}, {"url": API}, {"method": "GET", "url": API, "jti": "mine"}),
        *({"method": "GET", "url": API, "iat": 1}, {"method": "GET", "url": API, "ath": "x"}, [WANTED]),
        *({"method": 1, "url": API}, {"method": "GET", "url": None}, {"method": "GET", "url": [API]}),
    ],
)
async def test_a_body_of_another_form_is_malformed(body: object, desk: Desk) -> None:
    answer = await desk.post(PROOF, body=body)
    assert said(answer) == (400, "invalid_request")
    assert '"method": "GET"' in answer.json["error_description"]


@pytest.mark.parametrize("method", ["", "GET ", "G\u00c9T", "GET\r\nX: y", "GET/", "a" * 33, "\u212aEY", '"', "{}"])
async def test_a_method_that_is_none_is_refused_unrepeated(method: str, desk: Desk) -> None:
    answer = await desk.post(PROOF, body=WANTED | {"method": method})
    assert said(answer) == (400, "invalid_request")
    assert "member method" in answer.json["error_description"]


@pytest.mark.parametrize("method", ["GET", "PROPFIND", "M-SEARCH", "get", "!#$%&'*+-.^_`|~", "x1"])
async def test_every_method_that_http_knows_is_named_as_it_is(method: str, desk: Desk) -> None:
    assert (await claims(desk, method=method))["htm"] == method


@pytest.mark.parametrize("url", ["/users", "http://api.example/", "https://u@api.example/", f"{API}/a/../b", "\ud800"])
async def test_a_url_that_is_none_for_us_is_refused_unrepeated(url: str, desk: Desk) -> None:
    answer = await desk.post(PROOF, body=WANTED | {"url": url})
    assert said(answer) == (400, "invalid_request")
    assert "member url" in answer.json["error_description"]


@pytest.mark.parametrize("nonce", ["", "a b", 'a"', "a\\", "a\n", "ä", "x" * (LONGEST_NONCE + 1), 7, ["a"], {"a": "b"}])
async def test_a_nonce_that_is_none_is_refused_unrepeated(nonce: object, desk: Desk) -> None:
    answer = await desk.post(PROOF, body=WANTED | {"nonce": nonce})
    assert said(answer) == (400, "invalid_request")
    assert "member nonce" in answer.json["error_description"]


@given(st.binary(max_size=60) | st.dictionaries(st.text(), st.text()).map(json.dumps).map(str.encode))
def test_whatever_is_sent_is_wanted_or_a_problem(body: bytes) -> None:
    assert isinstance(parse_proof_request(body), ProofRequest | Problem)


def test_a_member_that_stands_twice_is_none() -> None:
    twice = b'{"method":"GET","url":"https://api.example/","url":"https://evil.example/"}'
    assert isinstance(parse_proof_request(twice), Problem)


async def test_a_bearer_token_has_no_proof_and_says_how_it_is_used(desk: Desk) -> None:
    answer = await desk.post("/v1/tokens/groups/proof", body=WANTED)
    assert said(answer) == (400, "invalid_request")
    assert "Authorization: Bearer" in answer.json["error_description"]
    assert desk.handed_out == []


async def test_a_bearer_token_of_a_client_that_uses_dpop_has_no_proof_either(desk: Desk) -> None:
    desk.put("users-api")
    assert said(await desk.post(PROOF, body=WANTED)) == (400, "invalid_request")


async def test_without_a_valid_token_there_is_no_proof(desk: Desk) -> None:
    desk.time += 299.0
    answer = await desk.post(PROOF, body=WANTED)
    assert said(answer) == (503, "temporarily_unavailable")
    assert "retry-after" in answer.headers


async def test_who_sends_a_query_is_told_that_there_is_none(desk: Desk) -> None:
    assert said(await desk.post(f"{PROOF}?wait=1s", body=WANTED)) == (400, "invalid_request")


@pytest.mark.parametrize("accept", ["text/plain", "image/png"])
async def test_a_proof_comes_as_json_only(accept: str, desk: Desk) -> None:
    answer = await desk.post(PROOF, f"Accept: {accept}", body=WANTED)
    assert answer.status == 406
    assert SECRET.encode() not in answer.body


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ((JSON,), 403, "metadata_header"),
        ((MARK, "Content-Type: text/plain"), 415, "content_type"),
        ((MARK, JSON, "Origin: https://api.example"), 403, "browser"),
        ((MARK, JSON, "X-Forwarded-For: 10.0.0.1"), 403, "forwarded"),
    ],
)
async def test_the_guard_stands_before_proofs_too(
    fields: tuple[str, ...], status: int, reason: str, desk: Desk
) -> None:
    body = json.dumps(WANTED).encode()
    answer = await ask(desk.addresses[0], get(PROOF, *fields, method="POST", body=body))
    assert (answer.status, answer.json["reason"]) == (status, reason)


async def test_proofs_are_for_the_callers_on_the_tokens_list(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text(REPORTS)
    (tmp_path / "exporter").write_text("exporter-0123456789abcdef")
    callers = {name: CallerSettings(secret_file=str(tmp_path / name)) for name in ("reports", "exporter")}
    async with open_desk(targets=TARGETS, lists={"users-api": ("reports",)}, callers=callers) as desk:
        desk.put("users-api", proof_key=KEY)
        assert said(await desk.post(PROOF, body=WANTED)) == (401, "invalid_caller")
        exporter = "Authorization: Bearer exporter-0123456789abcdef"
        assert said(await desk.post(PROOF, exporter, body=WANTED)) == (403, "forbidden")
        answer = await desk.post(PROOF, f"Authorization: Bearer {REPORTS}", body=WANTED)
        assert answer.status == 200
        assert [event.caller for event in desk.told if isinstance(event, HandedOut)] == ["reports"]


async def test_proofs_above_the_limit_are_refused_for_that_second_and_token(desk: Desk) -> None:
    one = get(PROOF, MARK, JSON, method="POST", body=json.dumps(WANTED).encode())
    async with wire(desk.addresses[0]) as connection:
        statuses = [(await connection.ask(one)).status for _ in range(PER_SECOND + 1)]
        assert statuses == [200] * PER_SECOND + [429]
        late = await connection.ask(one)
        assert (said(late), late.headers["retry-after"]) == ((429, "slow_down"), "1")
        desk.time += 1.0
        assert (await connection.ask(one)).status == 200
    assert len(desk.handed_out) == PER_SECOND + 1


async def test_what_is_refused_costs_no_proof() -> None:
    async with open_desk("a", "b", targets={"a": (API,), "b": (API,)}) as desk:
        desk.put("a", proof_key=KEY)
        desk.put("b", proof_key=KEY)
        for _ in range(PER_SECOND + 1):
            await desk.post("/v1/tokens/a/proof", body=WANTED | {"url": "https://evil.example/"})
        assert (await desk.post("/v1/tokens/a/proof", body=WANTED)).status == 200


@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=400))
def test_no_second_has_more_proofs_than_the_limit(pauses: list[float]) -> None:
    allowance, now, granted = Allowance(), 1000.0, []
    for pause in pauses:
        now += pause
        if allowance.take(now):
            granted.append(now)
    for start in granted:
        assert sum(start <= at and at - start < 1.0 for at in granted) <= PER_SECOND


def test_a_burst_and_what_follows_it_share_one_second() -> None:
    allowance = Allowance()
    moments = [1000.0] * PER_SECOND + [1000.0 + number / 1000 for number in range(1, 1000)]
    assert sum(allowance.take(now) for now in moments) == PER_SECOND
    assert allowance.take(1001.0)


def test_at_the_rate_itself_nobody_is_refused() -> None:
    allowance = Allowance()
    assert all(allowance.take(1000.0 + number * 1.001 / PER_SECOND) for number in range(5 * PER_SECOND))


async def test_a_get_of_a_dpop_token_says_its_type(desk: Desk) -> None:
    answer = await desk.get("/v1/tokens/users-api")
    assert (answer.status, answer.json["token_type"]) == (200, "DPoP")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("accept", ["text/plain", "text/*", "text/plain, */*;q=0.5"])
async def test_a_dpop_token_is_never_a_bare_text(method: str, accept: str, desk: Desk) -> None:
    answer = await desk.get("/v1/tokens/users-api", f"Accept: {accept}", method=method)
    assert answer.status == 406
    assert SECRET.encode() not in answer.body
    assert method == "HEAD" or b"/proof" in answer.body
    assert desk.handed_out == []


@pytest.mark.parametrize("secret", ["", REPORTS])
async def test_the_token_endpoint_does_not_give_a_dpop_token(secret: str, tmp_path: Path) -> None:
    (tmp_path / "reports").write_text(REPORTS)
    callers = {"reports": CallerSettings(secret_file=str(tmp_path / "reports"))} if secret else {}
    async with open_desk(targets=TARGETS, callers=callers, token_endpoint="callers" if secret else "open") as desk:
        desk.put("users-api", proof_key=KEY)
        form = f"grant_type=client_credentials&client_id=users-api&client_secret={secret}".encode()
        answer = await ask(desk.addresses[0], get("/oauth2/token", FORM, method="POST", body=form))
        assert said(answer) == (400, "unauthorized_client")
        assert "DPoP" in answer.json["error_description"]
        assert desk.handed_out == []


async def test_a_connection_that_repeats_a_bearer_token_never_repeats_a_dpop_token_as_text(desk: Desk) -> None:
    head = get("/v1/tokens/groups", MARK, "Accept: text/plain")
    async with wire(desk.addresses[0]) as connection:
        assert [(await connection.ask(head)).body for _ in range(3)] == [b"bearer-token"] * 3
        desk.put("groups", proof_key=KEY)
        assert [(await connection.ask(head)).status for _ in range(3)] == [406] * 3


async def test_a_connection_repeats_a_dpop_token_with_its_type(desk: Desk) -> None:
    head = get("/v1/tokens/users-api", MARK)
    async with wire(desk.addresses[0]) as connection:
        first, *others = [(await connection.ask(head)).json for _ in range(3)]
        assert first["token_type"] == "DPoP"
        assert others == [first] * 2


async def test_further_members_of_the_servers_answer_are_handed_out(desk: Desk) -> None:
    desk.put("groups", extra={"instance_url": "https://acme.example", "nested": {"a": [1, None]}})
    for target in ("/v1/tokens/groups", "/v1/tokens/groups?wait=1s"):
        members = (await desk.get(target)).json
        assert (members["instance_url"], members["nested"]) == ("https://acme.example", {"a": [1, None]})


async def test_no_further_member_stands_in_the_place_of_ours(desk: Desk) -> None:
    desk.put("groups")
    usual = (await desk.get("/v1/tokens/groups")).json
    desk.put("groups", extra=dict.fromkeys(usual, "forged") | {"x": 1})
    assert (await desk.get("/v1/tokens/groups")).json == usual | {"x": 1}
