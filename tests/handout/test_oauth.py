"""The token endpoint's rules, one by one; tests/clients has programs that others wrote."""

import base64
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote_plus, urlencode

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from broker.core.events import Event, HandedOut, Refused
from broker.core.settings import CallerSettings, TokenSettings
from broker.core.tokens import Token
from broker.http_server.request_rules import FORWARDING_FIELDS
from broker.refresh.refresher import Refresher
from broker.refresh.store import Store
from broker.workload_api.answers import Problem
from broker.workload_api.callers.registry import Callers
from broker.workload_api.first_token import FirstToken
from broker.workload_api.forced import WaiterLimit
from broker.workload_api.head import Head
from broker.workload_api.oauth import token_endpoint
from broker.workload_api.oauth.token_endpoint import FORM, LocalTokenEndpoint, parse_request
from broker.workload_api.tokens import Tokens

EPOCH = 1_800_000_000.0
ACCESS = "eyJ.s3cret-access-token.sig"
SECRET = "reports-secret/with+signs=%41"
OTHER = "exporter-secret-0123456789"
GRANT = {"grant_type": "client_credentials"}
T = TypeVar("T")


async def never(_settings: TokenSettings) -> Token:
    raise AssertionError


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of what has nothing to wait for, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    raise AssertionError


class Endpoint:
    """A token endpoint over real files with secrets; `told` is what the observer was told."""

    def __init__(self, folder: Path, mode: Any, *, callers: bool = True, uids: bool = True) -> None:
        secrets = {"reports": SECRET, "exporter": OTHER}
        for name, secret in secrets.items():
            (folder / name).write_text(secret)
        files = {name: CallerSettings(secret_file=str(folder / name)) for name in secrets} if callers else {}
        if callers and uids:
            files["worker"] = CallerSettings(uid=1001)
        self.settings = {
            "users": TokenSettings(client="okta", callers=("reports", "worker")) if callers else TokenSettings("okta"),
            "default": TokenSettings(
                client="okta", callers=("anonymous",), resource=("https://a", "https://b"), audience="https://api"
            ),
            "empty": TokenSettings(client="okta"),
        }
        self.told: list[Event] = []
        self.callers = Callers(files, self.settings, observe=self.told.append)
        now: Callable[[], float] = lambda: EPOCH  # noqa: E731 - a clock that stands
        store = Store(self.settings, now)
        for name in ("users", "default"):
            store.put(
                name,
                Token(access_token=ACCESS, token_type="Bearer", scope="read write", issued_at=EPOCH, lifetime=3600),
            )
        refreshers = {
            name: Refresher(
                name, settings, fetch=never, store=store, now=now, draw=lambda: 0.5, observe=self.told.append
            )
            for name, settings in self.settings.items()
        }
        first = FirstToken(refreshers, store, attempt_wait=0, waiters=WaiterLimit(1), long_waiters=WaiterLimit(1))
        tokens = Tokens(
            self.settings,
            store,
            first,
            failure=lambda _: None,
            next_at=lambda _: EPOCH + 7,
            now=now,
            wall=lambda: EPOCH,
        )
        self.endpoint = LocalTokenEndpoint(mode, self.settings, tokens, self.callers, observe=self.told.append)

    async def start(self) -> "Endpoint":
        await self.callers.load()
        self.told.clear()
        return self

    def post(
        self, form: dict[str, Any] | bytes, *fields: tuple[str, str], uid: int | None = None, media: str = FORM
    ) -> tuple[int, dict[str, Any], web.Response]:
        body = form if isinstance(form, bytes) else urlencode(form, doseq=True).encode()
        answer = finish(self.endpoint.answer(Head(CIMultiDict([("Content-Type", media), *fields])), body, uid=uid))
        assert isinstance(answer.body, bytes)
        return answer.status, json.loads(answer.body), answer

    def error(self, form: dict[str, Any] | bytes, *fields: tuple[str, str], **more: Any) -> tuple[int, str]:
        status, members, _ = self.post(form, *fields, **more)
        assert "access_token" not in members
        return status, members["error"]


def basic(user: str, secret: str) -> tuple[str, str]:
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def encoded(user: str, secret: str) -> tuple[str, str]:
    return basic(quote_plus(user), quote_plus(secret))


@pytest.fixture
async def guarded(tmp_path: Path) -> Endpoint:
    return await Endpoint(tmp_path, "callers").start()


@pytest.fixture
async def opened(tmp_path: Path) -> Endpoint:
    return await Endpoint(tmp_path, "open").start()


IN_FORM = GRANT | {"client_id": "users", "client_secret": SECRET}


def test_a_good_request_gets_the_token_as_the_rfc_writes_it(guarded: Endpoint) -> None:
    status, members, answer = guarded.post(IN_FORM)
    assert status == 200
    assert members == {
        "access_token": ACCESS,
        "token_type": "Bearer",
        "expires_in": 3600,
        "expires_at": int(EPOCH) + 3600,
        "scope": "read write",
    }
    assert (answer.content_type, answer.headers["Pragma"]) == ("application/json", "no-cache")
    assert guarded.told == [HandedOut(token="users", caller="reports")]


@pytest.mark.parametrize("make", [basic, encoded])
def test_basic_is_read_whether_the_client_encodes_or_not(make: Any, guarded: Endpoint) -> None:
    assert guarded.post(GRANT, make("users", SECRET))[0] == 200
    assert guarded.post(GRANT | {"client_id": "users"}, make("users", SECRET))[0] == 200


def test_without_a_client_id_it_is_the_default_token(guarded: Endpoint) -> None:
    assert guarded.post(GRANT | {"client_secret": OTHER})[0] == 200
    assert guarded.post(GRANT, basic("", OTHER))[0] == 200
    assert guarded.told[-1] == HandedOut(token="default", caller="exporter")


def test_an_unknown_name_and_a_wrong_secret_get_the_same_answer(guarded: Endpoint) -> None:
    wrong = [
        guarded.post(IN_FORM | {"client_id": "nobody"}),
        guarded.post(IN_FORM | {"client_secret": "wrong-secret-0123456789"}),
        guarded.post(GRANT | {"client_id": "users"}),
        guarded.post(GRANT | {"client_id": "default"}),
        guarded.post(IN_FORM | {"client_secret": ""}),
        guarded.post(GRANT | {"client_id": "users", "client_assertion": SECRET}),
        guarded.post(GRANT | {"client_id": "users"}, ("Authorization", f"Bearer {SECRET}")),
        guarded.post(GRANT, ("Authorization", "Basic !!!")),
        guarded.post(GRANT, ("Authorization", "Basic dXNlcnM6\udc80")),
        guarded.post(GRANT, ("Authorization", "Basic " + base64.b64encode(b"users").decode())),
        guarded.post(GRANT | {"client_id": "users"}, uid=1001),
    ]
    assert {(status, json.dumps(members), answer.headers["WWW-Authenticate"]) for status, members, answer in wrong} == {
        (401, json.dumps(wrong[0][1]), 'Basic realm="token-broker"')
    }
    assert wrong[0][1]["error"] == "invalid_client"
    assert guarded.told == [Refused(reason="caller")] * len(wrong)


def test_a_caller_who_is_not_on_the_list_is_unauthorized(guarded: Endpoint) -> None:
    assert guarded.error(IN_FORM | {"client_secret": OTHER}) == (400, "unauthorized_client")
    assert guarded.told == [Refused(reason="permission")]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        (IN_FORM | {"scope": "read"}, None),
        (IN_FORM | {"scope": " write  read "}, None),
        (IN_FORM | {"scope": "read admin"}, "invalid_scope"),
        (IN_FORM | {"grant_type": "password"}, "unsupported_grant_type"),
        (IN_FORM | {"grant_type": ""}, "invalid_request"),
        (IN_FORM | {"resource": "https://a"}, "invalid_target"),
        (IN_FORM | {"audience": "https://a"}, "invalid_target"),
        (IN_FORM | {"client_id": "default", "resource": ["https://a", "https://b"], "audience": "https://api"}, None),
        (IN_FORM | {"client_id": "default", "resource": ["https://a", "https://c"]}, "invalid_target"),
        (IN_FORM | {"something": "else"}, None),
        (IN_FORM | {"scope": ["read", "read"]}, "invalid_request"),
        (IN_FORM | {"client_secret": [SECRET, SECRET]}, "invalid_request"),
        (IN_FORM | {"client_assertion": "eyJ"}, "invalid_request"),
        (IN_FORM | {"client_id": "empty"}, "temporarily_unavailable"),
    ],
)
def test_each_parameter_is_held_to_the_token(form: dict[str, Any], error: str | None, guarded: Endpoint) -> None:
    status, members, _ = guarded.post(form)
    assert (members.get("error"), status) == (error, {None: 200, "temporarily_unavailable": 503}.get(error, 400))


def test_two_credentials_are_one_too_many(guarded: Endpoint) -> None:
    assert guarded.error(IN_FORM, basic("users", SECRET)) == (400, "invalid_request")
    assert guarded.error(GRANT, basic("users", SECRET), basic("users", SECRET)) == (400, "invalid_request")
    assert guarded.error(GRANT | {"client_id": "default"}, basic("users", SECRET)) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (json.dumps(IN_FORM).encode(), "application/json"),
        (b"grant_type=%ff", FORM),
        ("grant_type=ü".encode(), FORM),
        (b"&".join(b"a=1" for _ in range(100)), FORM),
    ],
)
def test_what_is_no_form_is_told_what_one_is(body: bytes, media: str, guarded: Endpoint) -> None:
    status, members, _ = guarded.post(body, media=media)
    assert (status, members["error"]) == (400, "invalid_request")
    assert "application/x-www-form-urlencoded" in members["error_description"]


def test_no_token_is_told_with_when_to_come_back(guarded: Endpoint) -> None:
    status, members, answer = guarded.post(IN_FORM | {"client_id": "empty"})
    assert (status, members["error"], answer.headers["Retry-After"]) == (503, "temporarily_unavailable", "7")
    assert guarded.told == []


@pytest.mark.parametrize("name", [name.replace("*", "For") for name in FORWARDING_FIELDS])
def test_a_proxy_on_the_way_needs_a_callers_secret(opened: Endpoint, name: str) -> None:
    by_proxy = (name, "10.0.0.1")
    assert opened.post(IN_FORM, by_proxy)[0] == 200
    assert opened.error(GRANT | {"client_id": "default"}, by_proxy) == (403, "forbidden")
    assert opened.told[-1] == Refused(reason="forwarded")
    assert opened.error(IN_FORM | {"client_secret": "wrong"}, by_proxy) == (401, "invalid_client")


async def test_a_made_up_secret_does_not_bring_a_proxy_in(tmp_path: Path) -> None:
    opened = await Endpoint(tmp_path, "open", callers=False).start()
    assert opened.error(GRANT | {"client_secret": "made up"}, ("Via", "1.1 a")) == (403, "forbidden")


def test_open_still_asks_for_the_secret_where_the_token_has_callers(opened: Endpoint) -> None:
    assert opened.post(GRANT | {"client_id": "default"})[0] == 200
    assert opened.told == [HandedOut(token="default", caller="anonymous")]
    assert opened.error(GRANT | {"client_id": "users"}) == (401, "invalid_client")
    assert opened.error(GRANT | {"client_id": "empty"}) == (401, "invalid_client")
    assert opened.error(GRANT | {"client_id": "default", "client_secret": "wrong"}) == (401, "invalid_client")


def test_open_knows_callers_by_their_user(opened: Endpoint) -> None:
    assert opened.post(GRANT | {"client_id": "users"}, uid=1001)[0] == 200
    assert opened.error(GRANT | {"client_id": "users"}, uid=1002) == (401, "invalid_client")


async def test_open_takes_any_secret_where_there_are_no_callers(tmp_path: Path) -> None:
    opened = await Endpoint(tmp_path, "open", callers=False).start()
    assert opened.post(GRANT | {"client_id": "users", "client_secret": "whatever the client must send"})[0] == 200


async def test_without_callers_nobody_can_authenticate(tmp_path: Path) -> None:
    endpoint = await Endpoint(tmp_path, "callers", callers=False).start()
    assert endpoint.error(IN_FORM) == (401, "invalid_client")


def test_the_metadata_follow_the_host_and_name_what_is_accepted(guarded: Endpoint, opened: Endpoint) -> None:
    def document(endpoint: Endpoint, host: str | None) -> dict[str, Any]:
        body = endpoint.endpoint.metadata(host).body
        assert isinstance(body, bytes)
        members: dict[str, Any] = json.loads(body)
        return members

    assert document(guarded, "127.0.0.1:7180") == {
        "issuer": "http://127.0.0.1:7180",
        "token_endpoint": "http://127.0.0.1:7180/oauth2/token",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }
    assert document(guarded, None)["issuer"] == "http://localhost"
    assert document(opened, None)["token_endpoint_auth_methods_supported"][-1] == "none"


@given(st.binary(max_size=200), st.lists(st.text(max_size=40), max_size=3))
def test_no_body_and_no_credentials_are_too_strange_to_be_read(body: bytes, credentials: list[str]) -> None:
    head = Head(CIMultiDict([("Content-Type", FORM), *(("Authorization", one) for one in credentials)]))
    request = parse_request(head, body)
    assert isinstance(request, Problem) or SECRET not in repr(request)


@given(
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40),
    st.sampled_from([basic, encoded]),
)
def test_every_secret_survives_both_ways_of_basic(secret: str, make: Any) -> None:
    request = parse_request(Head(CIMultiDict([("Content-Type", FORM), make("users", secret)])), b"a=b")
    assert not isinstance(request, Problem)
    assert secret in request.secrets


def test_every_description_keeps_to_the_characters_of_the_rfc() -> None:
    problems = [value for value in vars(token_endpoint).values() if isinstance(value, Problem)]
    assert len(problems) > 5
    for problem in problems:
        assert not set('"\\') & set(problem.description)
        assert problem.description.isascii()


def test_the_secret_is_in_no_repr() -> None:
    request = parse_request(Head(CIMultiDict([("Content-Type", FORM)])), urlencode(IN_FORM).encode())
    assert SECRET not in repr(request)
