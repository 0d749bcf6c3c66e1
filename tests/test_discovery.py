"""Issuer -> token endpoint, against a real server."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.errors import DiscoveryError, NetworkError, RefusalError
from broker.core.events import Event, Warned
from broker.core.settings import Http
from broker.core.urls import host_of, is_loopback, is_usable
from broker.http_client.transport import Reply, Transport
from broker.oauth.discovery import MAX_AGE, Discovery, metadata_urls, parse_metadata, permit
from each_case import for_each
from raw_server import RawServer, http, raw_server

Documents = dict[str, Any]
OAUTH = "/.well-known/oauth-authorization-server"
OIDC = "/.well-known/openid-configuration"


@asynccontextmanager
async def a_server(documents: Documents) -> AsyncIterator[RawServer]:
    """Serves `documents` by path: a str as it is, anything else as JSON; 404 for the rest."""

    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = server.requests[-1].split(b" ")[1].decode()
        if path not in documents:
            writer.write(http(b"nothing here", status="404 Not Found"))
            return
        found = documents[path]
        writer.write(http((found if isinstance(found, str) else json.dumps(found)).encode()))

    async with raw_server(script) as server:
        yield server


@asynccontextmanager
async def a_discovery(issuer: str, *, now: Callable[[], float] = time.time, **kwargs: Any) -> AsyncIterator[Discovery]:
    transport = Transport(Http(), now=now, observe=lambda _: None)
    arguments = {"token_endpoint": None, "hosts": (), "allow_http": False, "observe": lambda _: None, **kwargs}
    try:
        yield Discovery(issuer=issuer, transport=transport, now=now, **arguments)
    finally:
        await transport.close()


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("https://acme.okta.com", (f"https://acme.okta.com{OAUTH}", f"https://acme.okta.com{OIDC}")),
        (
            "https://acme.okta.com/oauth2/default",
            (f"https://acme.okta.com{OAUTH}/oauth2/default", f"https://acme.okta.com/oauth2/default{OIDC}"),
        ),
        ("https://t.auth0.com/", (f"https://t.auth0.com{OAUTH}", f"https://t.auth0.com{OIDC}")),
    ],
)
def test_the_document_is_looked_for_where_both_standards_put_it(issuer: str, expected: tuple[str, ...]) -> None:
    assert metadata_urls(issuer) == expected


@pytest.mark.parametrize("path", [OAUTH, OIDC])
async def test_the_endpoint_is_found_in_either_document(path: str) -> None:
    documents: Documents = {}
    async with a_server(documents) as server, a_discovery(server.url) as discovery:
        documents[path] = {"issuer": server.url, "token_endpoint": f"{server.url}/token"}
        assert await discovery.token_endpoint() == f"{server.url}/token"


async def test_a_page_for_every_path_does_not_hide_the_document() -> None:
    documents: Documents = {OAUTH: "<html>single page application</html>"}
    async with a_server(documents) as server, a_discovery(server.url) as discovery:
        documents[OIDC] = {"issuer": server.url, "token_endpoint": f"{server.url}/token"}
        assert await discovery.token_endpoint() == f"{server.url}/token"


async def test_the_document_is_read_once_a_day() -> None:
    clock = [1_795_000_000.0]
    documents: Documents = {}
    async with a_server(documents) as server, a_discovery(server.url, now=lambda: clock[0]) as discovery:
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": f"{server.url}/token"}
        await discovery.token_endpoint()
        await discovery.token_endpoint()
        assert len(server.requests) == 1
        clock[0] += MAX_AGE + 1
        await discovery.token_endpoint()
        assert len(server.requests) == 2


async def test_a_configured_endpoint_needs_no_document() -> None:
    async with a_discovery("https://unused.invalid", token_endpoint="https://idp.example/token") as discovery:
        assert await discovery.token_endpoint() == "https://idp.example/token"
        discovery.doubt()
        assert await discovery.token_endpoint() == "https://idp.example/token"


@pytest.mark.parametrize("difference", ["/", "?", "x"])
async def test_an_issuer_that_differs_by_a_byte_is_refused(difference: str) -> None:
    documents: Documents = {}
    async with a_server(documents) as server, a_discovery(server.url) as discovery:
        documents[OAUTH] = {"issuer": server.url + difference, "token_endpoint": f"{server.url}/token"}
        with pytest.raises(DiscoveryError, match="write issuer exactly") as error:
            await discovery.token_endpoint()
    assert error.value.fault == "issuer_mismatch"


async def test_an_endpoint_on_another_host_is_refused() -> None:
    documents: Documents = {}
    async with a_server(documents) as server, a_discovery(server.url) as discovery:
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": "https://evil.example/token"}
        with pytest.raises(DiscoveryError, match=r"another host, evil\.example") as error:
            await discovery.token_endpoint()
    assert error.value.fault == "foreign_host"


async def test_a_preset_may_allow_another_host() -> None:
    documents: Documents = {}
    async with a_server(documents) as server, a_discovery(server.url, hosts=("token.example",)) as discovery:
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": "https://token.example/token"}
        assert await discovery.token_endpoint() == "https://token.example/token"


async def test_a_plain_http_endpoint_is_refused() -> None:
    documents: Documents = {}
    async with a_server(documents) as server, a_discovery(server.url, hosts=("idp.example",)) as discovery:
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": "http://idp.example/token"}
        with pytest.raises(DiscoveryError) as error:
            await discovery.token_endpoint()
    assert error.value.fault == "insecure"


async def test_a_plain_http_endpoint_is_accepted_with_permission() -> None:
    documents: Documents = {}
    async with (
        a_server(documents) as server,
        a_discovery(server.url, hosts=("idp.example",), allow_http=True) as discovery,
    ):
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": "http://idp.example/token"}
        assert await discovery.token_endpoint() == "http://idp.example/token"


async def test_many_who_ask_at_once_cause_one_request() -> None:
    documents: Documents = {}
    async with a_server(documents) as server, a_discovery(server.url) as discovery:
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": f"{server.url}/token"}
        assert len(set(await asyncio.gather(*(discovery.token_endpoint() for _ in range(20))))) == 1
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_not_taken_for_one_without_metadata(status: int) -> None:
    reply = Reply(status=status, headers={"Retry-After": "7"}, body=b"", sent_at=0, received_at=0, authentic=True)
    with pytest.raises(RefusalError) as error:
        parse_metadata(reply, "https://i")
    assert error.value.retry_after == 7


async def test_an_endpoint_that_moves_to_another_host_keeps_the_old_one_and_says_so_once() -> None:
    clock = [1_795_000_000.0]
    events: list[Event] = []
    documents: Documents = {}
    async with (
        a_server(documents) as server,
        a_discovery(server.url, now=lambda: clock[0], hosts=("idp.example",), observe=events.append) as discovery,
    ):
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": f"{server.url}/token"}
        await discovery.token_endpoint()
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": "https://idp.example/token"}
        for _ in range(3):
            clock[0] += MAX_AGE + 1
            assert await discovery.token_endpoint() == f"{server.url}/token"
    (event,) = events
    assert isinstance(event, Warned)
    assert "idp.example" in event.detail


async def test_an_endpoint_that_is_gone_and_moved_says_that_a_restart_is_needed() -> None:
    documents: Documents = {}
    async with a_server(documents) as server, a_discovery(server.url, hosts=("idp.example",)) as discovery:
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": f"{server.url}/token"}
        await discovery.token_endpoint()
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": "https://idp.example/token"}
        discovery.doubt()
        with pytest.raises(DiscoveryError, match="restart the broker") as error:
            await discovery.token_endpoint()
    assert error.value.fault == "moved"


async def test_an_endpoint_that_moves_to_another_port_is_refused() -> None:
    documents: Documents = {}
    async with a_server(documents) as server, a_discovery(server.url) as discovery:
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": f"{server.url}/token"}
        await discovery.token_endpoint()
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": "http://127.0.0.1:9/token"}
        discovery.doubt()
        with pytest.raises(DiscoveryError, match=r"at http://127\.0\.0\.1:9 instead of http://127\.0\.0\.1:") as error:
            await discovery.token_endpoint()
    assert error.value.fault == "moved"


@pytest.mark.parametrize(
    ("endpoint", "permitted"),
    [("https://i:443/t", True), ("https://I/u", True), ("https://i:8443/t", False), ("http://i/t", False)],
)
def test_the_pin_holds_scheme_host_and_port(endpoint: str, *, permitted: bool) -> None:
    with nullcontext() if permitted else pytest.raises(DiscoveryError, match="restart the broker"):
        permit(endpoint, issuer="https://i", hosts=(), allow_http=True, pinned="https://i/t")


async def test_an_endpoint_that_moved_on_its_host_is_found_after_a_doubt() -> None:
    documents: Documents = {}
    async with a_server(documents) as server, a_discovery(server.url) as discovery:
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": f"{server.url}/old"}
        await discovery.token_endpoint()
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": f"{server.url}/new"}
        discovery.doubt()
        assert await discovery.token_endpoint() == f"{server.url}/new"


async def test_a_document_that_disappears_does_not_cost_the_endpoint() -> None:
    clock = [1_795_000_000.0]
    documents: Documents = {}
    async with a_server(documents) as server, a_discovery(server.url, now=lambda: clock[0]) as discovery:
        documents[OAUTH] = {"issuer": server.url, "token_endpoint": f"{server.url}/token"}
        await discovery.token_endpoint()
        documents.clear()
        clock[0] += MAX_AGE + 1
        assert await discovery.token_endpoint() == f"{server.url}/token"


async def test_a_failure_is_shared_by_all_who_waited_for_it_and_by_nobody_else() -> None:
    async with a_server({}) as server, a_discovery(server.url) as discovery:
        outcomes = await asyncio.gather(*(discovery.token_endpoint() for _ in range(20)), return_exceptions=True)
        assert all(isinstance(outcome, DiscoveryError) for outcome in outcomes)
        assert len(server.requests) == 2
        with pytest.raises(DiscoveryError):
            await discovery.token_endpoint()
        assert len(server.requests) == 4


async def test_a_server_error_at_the_first_place_does_not_hide_the_second() -> None:
    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if server.requests[-1].startswith(f"GET {OIDC}".encode()):
            document = {"issuer": server.url, "token_endpoint": f"{server.url}/token"}
            writer.write(http(json.dumps(document).encode()))
        else:
            writer.write(http(b"", status="500 Oops"))

    async with raw_server(script) as server, a_discovery(server.url) as discovery:
        assert await discovery.token_endpoint() == f"{server.url}/token"


async def test_no_document_names_both_places() -> None:
    async with a_server({}) as server, a_discovery(server.url) as discovery:
        with pytest.raises(DiscoveryError) as error:
            await discovery.token_endpoint()
    assert error.value.fault == "not_found"
    assert OAUTH in str(error.value)
    assert OIDC in str(error.value)


async def test_a_server_that_is_down_is_a_network_fault() -> None:
    async with a_server({}) as server:
        url = server.url
    async with a_discovery(url) as discovery:
        with pytest.raises(NetworkError):
            await discovery.token_endpoint()


@for_each(
    ("body", "fault"),
    [
        (b"[]", "not_json"),
        (b"<html>", "not_json"),
        (b"{}", "issuer_mismatch"),
        (b'{"issuer": 7}', "issuer_mismatch"),
        (b'{"issuer": "https://i"}', "no_token_endpoint"),
        (b'{"issuer": "https://i", "token_endpoint": 7}', "no_token_endpoint"),
        (b'{"issuer": "https://i", "token_endpoint": "ftp://i/token"}', "no_token_endpoint"),
        (b'{"issuer": "https://i", "token_endpoint": "https://"}', "no_token_endpoint"),
        (b'{"issuer": "https://i", "token_endpoint": "https://i:99999/"}', "no_token_endpoint"),
        (b'{"issuer": "https://i", "token_endpoint": "https://i/\\n"}', "no_token_endpoint"),
        (b'{"issuer": "https://i", "token_endpoint": "http://xn--/t"}', "no_token_endpoint"),
        (b'{"issuer": "https://i", "token_endpoint": "https://x\\\\@127.0.0.1/t"}', "no_token_endpoint"),
        (b'{"issuer": "https://i", "token_endpoint": "https://user:pw@i/t"}', "no_token_endpoint"),
        (b'{"issuer": "https://i", "token_endpoint": "https://i/t#part"}', "no_token_endpoint"),
    ],
)
def test_a_document_that_cannot_be_used_says_why(body: bytes, fault: str) -> None:
    reply = Reply(status=200, headers={}, body=body, sent_at=0, received_at=0, authentic=True)
    with pytest.raises(DiscoveryError) as error:
        parse_metadata(reply, "https://i")
    assert error.value.fault == fault


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_metadata_in_another_encoding_is_read(encoding: str) -> None:
    body = '{"issuer":"https://i","token_endpoint":"https://i/t","name":"J\xf6rg"}'.encode(encoding)
    reply = Reply(status=200, headers={}, body=body, sent_at=0, received_at=0, authentic=True)
    assert parse_metadata(reply, "https://i") == "https://i/t"


@given(st.text() | st.from_regex(r"https?://[^/]*/?.*"))
def test_whatever_a_document_names_is_judged_without_an_exception(text: str) -> None:
    if is_usable(text):
        assert host_of(text)
        is_loopback(text)


def test_a_foreign_issuers_name_is_shown_bounded_and_escaped() -> None:
    body = json.dumps({"issuer": "\x1b[31m" + "x" * 10_000}).encode()
    reply = Reply(status=200, headers={}, body=body, sent_at=0, received_at=0, authentic=True)
    with pytest.raises(DiscoveryError) as error:
        parse_metadata(reply, "https://i")
    assert "\x1b" not in str(error.value)
    assert len(str(error.value)) < 400
