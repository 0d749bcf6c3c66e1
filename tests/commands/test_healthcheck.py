"""What a compose file asks: exit 0 or 1, and a sentence."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

from broker.cli import healthcheck
from broker.cli.healthcheck import command, url_of
from broker.config.resolve import DEFAULT_PATH
from broker.core.settings import Admin
from broker.http_server import Listener

CONFIG = """
{admin}
clients:
  okta:
    provider: okta
    issuer: https://acme.okta.com
    client_id: 0oa1
    private_key: {{file: key.jwk}}
tokens:
  users: {{scopes: [okta.users.read]}}
"""


@asynccontextmanager
async def broker_saying(status: int, text: str) -> AsyncIterator[tuple[str, list[tuple[str, str]]]]:
    """An address where something answers like that, and what it was asked."""
    asked: list[tuple[str, str]] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        asked.append((request.raw_path, request.headers["Host"]))
        return web.Response(status=status, text=text)

    async with Listener("admin.listen", ["localhost:0"], handle, observe=lambda _event: None) as listener:
        yield listener.addresses[0].rpartition(":")[2], asked


async def run(*options: str, **environ: str) -> tuple[int | None, str, str]:
    """Exit code, stdout and stderr of the real command."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOKEN_BROKER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "broker", "healthcheck", *options),
        env=clean | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_it_exits_0_when_the_broker_is_ready() -> None:
    async with broker_saying(200, "ready\nusers: ok\n") as (port, asked):
        assert await run("--url", f"http://127.0.0.1:{port}") == (0, "ready\nusers: ok\n", "")
    assert asked == [("/readyz", f"127.0.0.1:{port}")]


async def test_it_exits_1_with_the_reasons_when_it_is_not() -> None:
    async with broker_saying(503, "not ready\nusers: timeout\n") as (port, _):
        code, out, err = await run("--url", f"http://127.0.0.1:{port}/readyz")
    assert (code, out) == (1, "")
    assert err == f"Error: http://127.0.0.1:{port}/readyz answered 503: not ready\nusers: timeout\n"


async def test_it_exits_1_when_nobody_answers() -> None:
    async with broker_saying(200, "ready") as (port, _):
        pass
    code, out, err = await run("--url", f"http://127.0.0.1:{port}")
    assert (code, out) == (1, "")
    assert "Connection refused" in err
    assert "--url" in err
    assert "Traceback" not in err


async def test_a_path_in_the_url_is_asked_as_it_is() -> None:
    async with broker_saying(200, "alive") as (port, asked):
        assert (await run("--url", f"http://localhost:{port}/readyz/users"))[0] == 0
    assert asked == [("/readyz/users", f"localhost:{port}")]


async def test_the_port_comes_from_the_environment() -> None:
    async with broker_saying(200, "ready") as (port, asked):
        code, _, _ = await run("--config", "/nowhere.yaml", TOKEN_BROKER_ADMIN_LISTEN=f":{port},127.0.0.1:1")
    assert (code, asked) == (0, [("/readyz", f"localhost:{port}")])


async def test_the_port_comes_from_the_configuration_file(tmp_path: Path) -> None:
    async with broker_saying(200, "ready") as (port, asked):
        file = tmp_path / "config.yaml"
        file.write_text(CONFIG.format(admin=f'admin: {{listen: [":{port}"]}}'))
        assert (await run("--config", str(file)))[0] == 0
        assert (await run(TOKEN_BROKER_CONFIG=str(file)))[0] == 0
    assert asked == [("/readyz", f"localhost:{port}")] * 2


async def test_a_broken_configuration_file_is_exit_1_and_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(admin="admin: {listne: []}"))
    code, _, err = await run("--config", str(file))
    assert code == 1
    assert "listne" in err
    assert "Traceback" not in err


async def test_no_proxy_is_asked() -> None:
    async with broker_saying(200, "ready") as (port, asked):
        code, _, _ = await run("--url", f"http://127.0.0.1:{port}", http_proxy="http://127.0.0.1:1")
    assert (code, len(asked)) == (0, 1)


async def test_an_answer_cannot_move_the_cursor() -> None:
    async with broker_saying(503, "\x1b[2Jnot ready") as (port, _):
        assert "\x1b" not in (await run("--url", f"http://127.0.0.1:{port}"))[2]


@pytest.mark.parametrize("url", ["https://localhost:7181", "localhost:7181", "http://", "http://localhost:x/"])
def test_a_url_that_cannot_be_asked_is_exit_1_and_a_sentence(url: str) -> None:
    result = CliRunner().invoke(command, ["--url", url])
    assert result.exit_code == 1
    assert "write it like" in result.output


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        (":7181", "http://localhost:7181/readyz"),
        ("0.0.0.0:7181", "http://localhost:7181/readyz"),
        ("[::]:7181", "http://localhost:7181/readyz"),
        ("[::1]:9000", "http://[::1]:9000/readyz"),
        ("10.1.2.3:9000", "http://10.1.2.3:9000/readyz"),
    ],
)
def test_the_address_is_one_that_the_broker_answers_on(listen: str, url: str) -> None:
    assert url_of(listen) == url


def test_a_file_that_does_not_speak_of_it_leaves_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN_BROKER_ADMIN_LISTEN", raising=False)
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(admin=""))
    assert healthcheck.listen_address(str(file)) == ":7181"
    assert healthcheck.listen_address(str(tmp_path / "absent.yaml")) == ":7181"


def test_the_defaults_are_those_of_the_configuration() -> None:
    assert healthcheck.DEFAULT_PATH == DEFAULT_PATH
    assert Admin().listen == (healthcheck.DEFAULT_LISTEN,)


async def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """Not even with a configuration file, as long as that does not move the admin listener."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(admin=""))
    heavy = ["aiohttp", "asyncio", "authlib", "joserfc", "cryptography", "msgspec", "yaml", "prometheus_client", "rich"]
    script = (
        "import sys; from broker.__main__ import cli\n"
        f"try: cli(['healthcheck', '--config', {str(file)!r}])\n"
        f"except SystemExit: print(sorted(set({heavy!r}) & set(sys.modules)))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    # A broker may really listen on the default port of this machine, and then says that it is ready.
    assert (await process.communicate())[0].decode().splitlines()[-1] == "[]"


async def test_it_needs_no_stdout_to_say_that_the_broker_is_ready() -> None:
    async with broker_saying(200, "ready\n") as (port, _):
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", 'exec "$0" -m broker healthcheck --url "$1" >&-'),
            *(sys.executable, f"http://127.0.0.1:{port}"),
        )
        assert await process.wait() == 0
