"""The outgoing client against real sockets."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.core.durations import Duration
from broker.core.errors import NetworkError, ReplyError, SecretFileError
from broker.core.events import Event, Warned
from broker.core.settings import Http
from broker.http_client import trust
from broker.http_client.transport import MAX_ANSWER, Reply, Transport
from certificates import self_signed
from check.far_servers import Authority
from raw_server import answers, http, raw_server

FORM = [("client_assertion", "secret-assertion"), ("resource", "a"), ("resource", "b")]


@asynccontextmanager
async def a_transport(**settings: Any) -> AsyncIterator[Transport]:
    transport = Transport(Http(**settings), now=time.time, observe=lambda _: None)
    try:
        yield transport
    finally:
        await transport.close()


async def post(url: str, **settings: Any) -> Reply:
    async with a_transport(**settings) as transport:
        return await transport.post(url, FORM)


async def fault_of(url: str, **settings: Any) -> NetworkError:
    with pytest.raises(NetworkError) as error:
        await post(url, **settings)
    assert "secret-assertion" not in str(error.value)
    return error.value


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_form_is_posted_and_the_answer_comes_back_whole() -> None:
    async with raw_server(answers(http(b'{"a":1}', headers="X-One: 1\r\n"))) as server:
        reply = await post(f"{server.url}/token")
    assert (reply.status, reply.body, reply.headers["x-one"]) == (200, b'{"a":1}', "1")
    assert reply.sent_at <= reply.received_at
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == b"client_assertion=secret-assertion&resource=a&resource=b"
    assert b"Content-Type: application/x-www-form-urlencoded" in head
    assert b"Accept: application/json" in head


async def test_an_error_status_is_an_answer_like_any_other() -> None:
    async with raw_server(answers(http(b"no", status="503 Busy"))) as server:
        assert (await post(server.url)).status == 503


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_a_redirect_is_never_followed(status: str) -> None:
    async with raw_server(answers(http(b""))) as other:
        elsewhere = http(b"", status=status, headers=f"Location: {other.url}/stolen\r\n")
        async with raw_server(answers(elsewhere)) as server:
            assert (await post(server.url)).status == int(status[:3])
    assert other.requests == []


async def test_cookies_are_not_kept() -> None:
    async with raw_server(answers(http(b"", headers="Set-Cookie: a=b\r\n"))) as server, a_transport() as transport:
        await transport.get(server.url)
        await transport.get(server.url)
    assert all(b"Cookie" not in request for request in server.requests)


async def test_netrc_adds_no_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with raw_server(answers(http(b""))) as server:
        await post(server.url)
    assert b"authorization" not in server.requests[0].lower()


async def test_an_answer_is_read_up_to_the_limit_and_no_further() -> None:
    async with raw_server(answers(http(b"x" * (MAX_ANSWER + 100_000)))) as server:
        reply = await post(server.url)
    assert reply.truncated
    assert len(reply.body) == MAX_ANSWER


async def test_an_answer_at_the_limit_is_whole() -> None:
    async with raw_server(answers(http(b"x" * MAX_ANSWER))) as server:
        assert not (await post(server.url)).truncated


async def test_nobody_listening_is_a_connect_fault() -> None:
    error = await fault_of(f"http://127.0.0.1:{a_free_port()}")
    assert error.fault == "connect"
    assert "refused" in error.detail.lower()


async def test_a_name_that_does_not_resolve_is_a_dns_fault() -> None:
    error = await fault_of("http://no-such-host.invalid/")
    assert error.fault == "dns"
    assert error.where == "no-such-host.invalid:80"


UNNAMEABLE = pytest.mark.parametrize("host", ["acme..okta.example", f"{'a' * 64}.example", ".okta.example"])


@UNNAMEABLE
async def test_a_host_that_no_resolver_takes_is_a_dns_fault(host: str) -> None:
    error = await fault_of(f"https://{host}/token")
    assert (error.fault, error.where) == ("dns", f"{host}:443")
    assert error.detail == "a part of the name is empty or longer than 63 characters"


@UNNAMEABLE
async def test_a_proxy_s_host_that_no_resolver_takes_is_a_dns_fault_of_the_proxy(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    error = await fault_of("https://idp.example/", proxy=f"http://{host}:3128")
    assert (error.fault, error.where) == ("dns", f"the proxy {host}:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("https_proxy", f"http://user:S3CRET@{host}:3128")
    error = await fault_of("https://idp.example/")
    assert (error.fault, error.where) == ("dns", f"the proxy {host}:3128")
    assert "S3CRET" not in str(error)


@UNNAMEABLE
async def test_a_host_that_no_resolver_takes_is_the_server_s_behind_a_proxy_too(host: str) -> None:
    async with raw_server(answers(b"HTTP/1.1 200 OK\r\n\r\n")) as proxy:
        error = await fault_of(f"https://{host}/", proxy=proxy.url)
    assert (error.fault, error.where) == ("dns", f"{host}:443")


async def test_a_proxy_whose_name_does_not_resolve_is_said_to_be_the_proxy() -> None:
    error = await fault_of("https://idp.example/", proxy="http://no-such-proxy.invalid:3128")
    assert (error.fault, error.where) == ("dns", "the proxy no-such-proxy.invalid:3128")


async def test_a_proxy_whose_certificate_is_unknown_is_said_to_be_the_proxy_and_sent_nothing(tmp_path: Path) -> None:
    _, context = self_signed(tmp_path)
    async with raw_server(answers(http(b"")), tls=context) as proxy:
        error = await fault_of("https://idp.example/", proxy=f"https://me@127.0.0.1:{proxy.port}")
    assert (error.fault, error.where) == ("tls", f"the proxy 127.0.0.1:{proxy.port}")
    assert proxy.requests == []


async def test_a_server_that_never_answers_is_a_timeout() -> None:
    async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with raw_server(hang) as server:
        error = await fault_of(server.url, timeout=Duration(0.2))
    assert error.fault == "timeout"
    assert "0.2 s" in error.detail


async def test_a_connection_closed_without_an_answer_is_a_lost_connection() -> None:
    async with raw_server(answers(b"")) as server:
        assert (await fault_of(server.url)).fault == "disconnected"


async def test_a_reset_is_a_lost_connection() -> None:
    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with raw_server(reset) as server:
        assert (await fault_of(server.url)).fault == "disconnected"


async def test_a_body_cut_short_is_a_lost_connection() -> None:
    async with raw_server(answers(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"access')) as server:
        assert (await fault_of(server.url)).fault == "disconnected"


async def test_an_answer_that_is_not_http_is_said_to_be_none() -> None:
    async with raw_server(answers(b"SSH-2.0-OpenSSH_9.2\r\n")) as server:
        error = await fault_of(server.url)
    assert error.fault == "disconnected"
    assert "not HTTP" in error.detail


@pytest.mark.parametrize("fields", [[f"A: {'x' * 9000}"], [f"A{i}: x" for i in range(100)], [f"A: {'x' * 32_000}"]])
async def test_a_large_head_of_an_answer_is_read(fields: list[str]) -> None:
    async with raw_server(answers(http(b"ok", headers="".join(f"{field}\r\n" for field in fields)))) as server:
        assert (await post(server.url)).body == b"ok"


@pytest.mark.parametrize("fields", [[f"A: {'x' * 33_000}"], [f"A{i}: x" for i in range(200)]])
async def test_a_head_beyond_the_limits_has_its_own_sentence(fields: list[str]) -> None:
    async with raw_server(answers(http(b"ok", headers="".join(f"{field}\r\n" for field in fields)))) as server:
        with pytest.raises(ReplyError) as error:
            await post(server.url)
    assert error.value.fault == "head_too_big"
    assert str(error.value) == "the answer's head has a line of more than 32 KiB, or more than 128 fields"


async def test_https_proxy_is_verified_for_http_urls_too(tmp_path: Path) -> None:
    ca_file, context = self_signed(tmp_path)
    async with raw_server(answers(http(b"ok")), tls=context) as proxy:
        way = f"https://127.0.0.1:{proxy.port}"
        error = await fault_of("http://idp.example/", proxy=way)
        reply = await post("http://idp.example/", proxy=way, ca_file=str(ca_file))
    assert error.fault == "tls"
    assert (reply.body, len(proxy.requests)) == (b"ok", 1)


async def test_an_unknown_certificate_is_a_tls_fault(tmp_path: Path) -> None:
    _, context = self_signed(tmp_path)
    async with raw_server(answers(http(b"")), tls=context) as server:
        error = await fault_of(f"https://127.0.0.1:{server.port}")
    assert error.fault == "tls"
    assert "self-signed certificate" in error.detail


async def test_a_host_only_in_the_common_name_is_a_tls_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))  # the system's store
    trust._shared.cache_clear()
    try:
        for common_name_only in (False, True):
            context = authority.context("localhost", common_name_only=common_name_only)
            async with raw_server(answers(http(b"ok")), tls=context) as server:
                url = f"https://localhost:{server.port}"
                if not common_name_only:
                    assert (await post(url)).body == b"ok"
                    continue
                for settings in ({}, {"ca_file": str(authority.file)}):
                    error = await fault_of(url, **settings)
                    assert (error.fault, "mismatch" in error.detail) == ("tls", True)
                assert server.requests == []
    finally:
        trust._shared.cache_clear()


async def test_tls_to_a_port_without_tls_is_a_tls_fault() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        error = await fault_of(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert (error.fault, error.detail) == ("tls", "the port does not speak TLS")


async def test_the_ca_file_adds_to_what_is_trusted(tmp_path: Path) -> None:
    ca_file, context = self_signed(tmp_path)
    async with raw_server(answers(http(b"ok")), tls=context) as server:
        reply = await post(f"https://127.0.0.1:{server.port}", ca_file=str(ca_file))
    assert reply.body == b"ok"
    assert reply.authentic


async def test_a_changed_ca_file_is_used_by_the_next_request(tmp_path: Path) -> None:
    ca_file, _ = self_signed(tmp_path, "old")
    renewed, context = self_signed(tmp_path, "new")
    async with (
        raw_server(answers(http(b"ok")), tls=context) as server,
        a_transport(ca_file=str(ca_file)) as transport,
    ):
        url = f"https://127.0.0.1:{server.port}"
        with pytest.raises(NetworkError):
            await transport.get(url)
        ca_file.write_bytes(renewed.read_bytes())
        assert (await transport.get(url)).body == b"ok"


async def test_a_kept_authority_is_told_once_for_each_trouble(tmp_path: Path) -> None:
    ca_file, context = self_signed(tmp_path)
    good = ca_file.read_bytes()
    events: list[Event] = []
    async with raw_server(answers(http(b"ok")), tls=context) as server:
        transport = Transport(Http(ca_file=str(ca_file)), now=time.time, observe=events.append)
        url = f"https://127.0.0.1:{server.port}"
        for content in (good, b"broken", b"broken", good, b"broken"):
            ca_file.write_bytes(content)
            assert (await transport.get(url)).body == b"ok"
        await transport.close()
    assert [type(event) for event in events] == [Warned, Warned]
    assert all("stays in use" in event.detail for event in events if isinstance(event, Warned))


@pytest.mark.parametrize("damage", [b"", b"-----BEGIN CERTIFICATE-----\nhalf", b"\xff\xfe"])
async def test_a_broken_new_ca_file_keeps_the_old_one(tmp_path: Path, damage: bytes) -> None:
    ca_file, context = self_signed(tmp_path)
    async with (
        raw_server(answers(http(b"ok")), tls=context) as server,
        a_transport(ca_file=str(ca_file)) as transport,
    ):
        url = f"https://127.0.0.1:{server.port}"
        await transport.get(url)
        ca_file.write_bytes(damage)
        assert (await transport.get(url)).body == b"ok"
        ca_file.unlink()
        assert (await transport.get(url)).body == b"ok"


async def test_a_missing_ca_file_is_named(tmp_path: Path) -> None:
    error = await fault_of("https://127.0.0.1:1", ca_file=str(tmp_path / "missing.pem"))
    assert error.fault == "ca_file"
    assert "missing.pem" in error.detail


async def test_a_ca_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    ca_file = tmp_path / "empty.pem"
    ca_file.write_text("nothing")
    error = await fault_of("https://127.0.0.1:1", ca_file=str(ca_file))
    assert error.fault == "ca_file"


async def test_a_bundle_with_comments_in_other_scripts_is_read(tmp_path: Path) -> None:
    ca_file, context = self_signed(tmp_path)
    ca_file.write_text("# NetLock Arany Főtanúsítvány\n" + ca_file.read_text())
    async with raw_server(answers(http(b"ok")), tls=context) as server:
        assert (await post(f"https://127.0.0.1:{server.port}", ca_file=str(ca_file))).body == b"ok"


async def test_a_ca_file_that_is_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ca.pem")
    error = await fault_of("https://127.0.0.1:1", ca_file=str(tmp_path / "ca.pem"))
    assert "no regular file" in error.detail


@pytest.mark.parametrize(
    "value", ["http://proxy:notaport", "http://user:secret/pw@proxy:3128", "http://[::1", "socks5://p:1"]
)
async def test_a_proxy_variable_that_is_no_proxy_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("https_proxy", value)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    error = await fault_of("https://idp.example/")
    assert (error.fault, error.detail) == ("proxy", "HTTPS_PROXY is not the URL of an http proxy")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_an_answer_in_a_broken_encoding_is_not_said_to_be_closed(encoding: str) -> None:
    raw = http(b"not compressed", headers=f"Content-Encoding: {encoding}\r\n")
    async with raw_server(answers(raw)) as server:
        error = await fault_of(server.url)
    assert "encoding" in error.detail


def a_proxy(status: str = "200 OK") -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    return answers(http(b"by proxy", status=status))


async def test_a_configured_proxy_is_asked_for_the_whole_address() -> None:
    async with raw_server(a_proxy()) as proxy:
        reply = await post("http://idp.example/token", proxy=proxy.url)
    assert reply.body == b"by proxy"
    assert proxy.requests[0].startswith(b"POST http://idp.example/token HTTP/1.1")


async def test_the_proxys_password_comes_from_its_file(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("pass word\n")
    async with raw_server(a_proxy()) as proxy:
        url = f"http://user@127.0.0.1:{proxy.port}"
        await post("http://idp.example/token", proxy=url, proxy_password_file=str(password))
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=" in proxy.requests[0]


async def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretFileError, match="nowhere cannot be read"):
        await post("http://idp.example", proxy="http://u@127.0.0.1:1", proxy_password_file=str(tmp_path / "nowhere"))


async def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with raw_server(a_proxy()) as proxy:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        assert (await post("http://idp.example/token")).body == b"by proxy"
        assert (await post(f"{proxy.url}/direct")).body == b"by proxy"
    assert proxy.requests[1].startswith(b"POST /direct"), "loopback never goes through the environment's proxy"


async def test_no_proxy_excepts_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{a_free_port()}")
    monkeypatch.setenv("no_proxy", ".invalid")
    assert (await fault_of("http://idp.invalid/")).fault == "dns"


async def test_proxy_none_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{a_free_port()}")
    assert (await fault_of("http://idp.invalid/", proxy="none")).fault == "dns"


async def test_a_proxy_that_is_down_is_a_proxy_fault() -> None:
    error = await fault_of("https://idp.example/", proxy=f"http://127.0.0.1:{a_free_port()}")
    assert error.fault == "proxy"


async def test_a_proxy_that_refuses_is_a_proxy_fault() -> None:
    async with raw_server(a_proxy("407 Proxy Authentication Required")) as proxy:
        error = await fault_of("https://idp.example/", proxy=proxy.url)
    assert error.fault == "proxy"
    assert "407" in error.detail


async def test_plain_http_beyond_loopback_is_not_authentic() -> None:
    async with raw_server(a_proxy()) as proxy:
        assert not (await post("http://idp.example/", proxy=proxy.url)).authentic
        assert (await post(proxy.url)).authentic


async def test_an_answer_is_not_in_its_own_repr() -> None:
    async with raw_server(answers(http(b"secret-token"))) as server:
        assert "secret-token" not in repr(await post(server.url))
