"""Nothing secret is on the page, whatever the authorization server does with what it was sent and what it grants."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from broker.app.compose import Broker, running
from broker.core.settings import Admin, Api, Assertion, ClientSettings, Http, KeySettings, Settings, TokenSettings
from key_forms import PASSPHRASE, in_form, jwk, native
from raw_http import ask, get
from raw_server import RawServer, Script, answers, http, raw_server

PROXY_PASSWORD, ENVIRONMENT_PASSWORD = "pr0xy-pass-of-the-file", "pr0xy-pass-of-the-variable"
PARAMETER, CLAIM = "s3cret-parameter-value", "s3cret-claim-value"
#: What a page must have said before the test has looked at what it means to.
SEEN = ("refresh fails", "expired", "proxy_failed", "granted unasked", "[removed]", "not granted")
PATHS = ("/", "/readyz", "/startupz", "/readyz/echo", "/metrics")


class Hostile:
    """Grants a token whose scope is the assertion and the token, then refuses in the words of both."""

    def __init__(self) -> None:
        self.server: RawServer | None = None
        self.assertions: list[str] = []
        self.tokens: list[str] = []

    def script(self) -> Script:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert self.server
            form = parse_qs(self.server.requests[-1].partition(b"\r\n\r\n")[2].decode())
            self.assertions += form["client_assertion"]
            said = f"{self.assertions[-1]} {' '.join(self.tokens)}"
            turn = len(self.assertions) % 3
            if turn == 1:
                self.tokens.append(f"0paque{len(self.tokens)}-" + "x7Gk2P" * 9)
                granted = {"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 2}
                body = json.dumps(granted | {"scope": f"{said} {self.tokens[-1]} {self.tokens[-1]}."})
                writer.write(http(body.encode()))
            elif turn == 2:
                body = json.dumps({"error": said, "error_description": f"<b>{said}</b>&client_assertion={said}"})
                writer.write(http(body.encode(), status="400 Bad Request"))
            else:
                writer.write(http(f"<title>{said}</title>".encode(), status="401 Unauthorized"))

        return answer


def windows(secret: str) -> Iterator[str]:
    """A part of a secret is a secret too."""
    size = min(len(secret), 20)
    return (secret[i : i + size] for i in range(len(secret) - size + 1))


def client(folder: Path, url: str, **http_settings: Any) -> ClientSettings:
    files = {"key.pem": in_form(native("RSA"), "encrypted pkcs8"), "passphrase": PASSPHRASE + b"\n"}
    files["claims"] = json.dumps({"more": CLAIM}).encode()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return ClientSettings(
        client_id="c",
        token_endpoint=f"{url}/token?key={PARAMETER}",
        allow_http=True,
        private_keys=(KeySettings(file=str(folder / "key.pem"), kid="k", passphrase_file=str(folder / "passphrase")),),
        assertion=Assertion(audience="token_endpoint", claims={"one": CLAIM}, claims_file=str(folder / "claims")),
        http=Http(**http_settings),
    )


@asynccontextmanager
async def a_broker(clients: dict[str, ClientSettings], folder: Path) -> AsyncIterator[Broker]:
    (folder / "parameters").write_text(json.dumps({"file_secret": PARAMETER}))
    parameters = {"parameters": {"secret": PARAMETER}, "parameters_file": str(folder / "parameters")}
    settings = Settings(
        api=Api(listen=("127.0.0.1:0",)),
        admin=Admin(listen=("127.0.0.1:0",)),
        clients=clients,
        tokens={name: TokenSettings(client=name, scopes=("read",), **parameters) for name in clients},  # type: ignore[arg-type]  # a dict of both
    )
    async with running(settings) as broker:
        yield broker


async def test_no_secret_is_on_the_page_whatever_the_server_echoes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    hostile, pages, password = Hostile(), set[str](), tmp_path / "password"
    password.write_text(PROXY_PASSWORD)
    async with raw_server(hostile.script()) as server, raw_server(answers(http(b"", status="407 No"))) as proxy:
        hostile.server = server
        monkeypatch.setenv("http_proxy", f"http://user:{ENVIRONMENT_PASSWORD}@127.0.0.1:{proxy.port}")
        clients = {
            "echo": client(tmp_path, server.url),
            "by-file": client(
                tmp_path,
                "http://idp.example",
                proxy=f"http://user@127.0.0.1:{proxy.port}",
                proxy_password_file=str(password),
            ),
            "by-variable": client(tmp_path, "http://idp.example"),
        }
        async with a_broker(clients, tmp_path) as broker, asyncio.timeout(60):
            while not all(any(mark in page for page in pages) for mark in SEEN):
                for path in PATHS:
                    for accept in ("text/html", "*/*"):
                        answer = await ask(broker.admin.addresses[0], get(path, f"Accept: {accept}"))
                        pages.add(answer.body.decode())
                await asyncio.sleep(0.1)
                broker.refreshers["echo"].retry_now()
    rsa, private = jwk(native("RSA")), ["d", "p", "q", "dp", "dq", "qi"]
    secrets = [
        *hostile.tokens,
        *hostile.assertions,
        *(rsa[name] for name in private),
        PASSPHRASE.decode(),
        PROXY_PASSWORD,
        ENVIRONMENT_PASSWORD,
        PARAMETER,
        CLAIM,
    ]
    assert len(hostile.tokens) >= 1
    assert len(hostile.assertions) >= 2
    everything = "\n".join(pages)
    assert [secret for secret in secrets for part in windows(secret) if part in everything] == []
