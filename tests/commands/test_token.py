"""What a shell script gets: the token on stdout, or one sentence on stderr."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from broker.cli.token import LARGEST
from broker.core.diagnosis import Act, Diagnosis
from broker.core.events import HandedOut
from broker.core.settings import CallerSettings
from broker.keys.generate import proof_signer
from desk import SECRET, Desk, open_desk
from raw_server import answers, http, raw_server

CALLER = "reports-0123456789abcdef"
HEAVY = (
    *("aiohttp", "asyncio", "authlib", "joserfc", "cryptography", "msgspec", "yaml", "prometheus_client", "rich"),
    *("broker.core.settings", "importlib.metadata", "cachetools"),
)


@dataclass
class Said:
    out: str
    err: str
    code: int | None


async def run(*arguments: str, url: str | None = None, **environment: str) -> Said:
    """The command as a script calls it, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "broker", "token", *arguments),
        env=os.environ | ({"TOKEN_BROKER_URL": url} if url else {}) | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Said(out.decode(), err.decode(), process.returncode)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with open_desk() as one:
        one.put("users-api")
        yield one


@pytest.fixture
def url(desk: Desk) -> str:
    return f"http://{desk.addresses[0]}"


async def test_a_token_is_printed_bare(url: str) -> None:
    assert await run("users-api", url=url) == Said(f"{SECRET}\n", "", 0)


async def test_the_url_may_be_said_on_the_command_line(url: str) -> None:
    assert (await run("users-api", "--url", f"{url}/", url="http://127.0.0.1:9")).out == f"{SECRET}\n"


async def test_a_header_is_ready_for_curl(url: str) -> None:
    assert (await run("users-api", "--format", "header", url=url)).out == f"Authorization: Bearer {SECRET}\n"


async def test_json_is_the_brokers_own(url: str) -> None:
    said = await run("users-api", "--format", "json", url=url)
    assert json.loads(said.out)["access_token"] == SECRET
    assert json.loads(said.out)["expires_in"] == 300


@pytest.mark.parametrize("form", ["token", "header"])
async def test_a_dpop_token_is_not_printed_as_if_it_were_a_bearer_token(form: str, desk: Desk, url: str) -> None:
    desk.put("users-api", proof_key=proof_signer("ES256"))
    said = await run("users-api", "--format", form, url=url)
    assert (said.out, said.code) == ("", 1)
    assert said.err.startswith("Error: this is a DPoP token")
    assert SECRET not in said.err


async def test_a_dpop_token_is_shown_as_json_with_its_type(desk: Desk, url: str) -> None:
    desk.put("users-api", proof_key=proof_signer("ES256"))
    said = await run("users-api", "--format", "json", url=url)
    assert (json.loads(said.out)["token_type"], said.code) == ("DPoP", 0)


async def test_the_only_token_needs_no_name() -> None:
    async with open_desk("users-api") as desk:
        desk.put("users-api")
        assert (await run(url=f"http://{desk.addresses[0]}")).out == f"{SECRET}\n"


async def test_a_socket_is_asked_like_a_port(tmp_path: Path) -> None:
    async with open_desk(listen=(f"unix:{tmp_path}/api.sock",)) as desk:
        desk.put("users-api")
        assert (await run("users-api", url=desk.addresses[0])).out == f"{SECRET}\n"


async def test_proxies_of_the_environment_are_not_used(url: str) -> None:
    proxy = "http://127.0.0.1:9"
    said = await run("users-api", url=url, http_proxy=proxy, HTTP_PROXY=proxy, ALL_PROXY=proxy, no_proxy="")
    assert said.out == f"{SECRET}\n"


async def test_an_unknown_name_is_told_in_the_brokers_words(url: str) -> None:
    said = await run("no/such name", url=url)
    assert said == Said("", "Error: There is no such token. You may ask for: groups, users-api.\n", 1)


async def test_a_failure_is_told_with_its_hint(desk: Desk, url: str) -> None:
    desk.failures["groups"] = Diagnosis(
        reason="clock", act=Act.CLOCK, cause="The clock is 9 min off.", fix="Set the clock."
    )
    said = await run("groups", url=url)
    assert said.err == "Error: There is no valid token groups now. The clock is 9 min off. Set the clock.\n"
    assert (said.out, said.code) == ("", 1)


async def test_the_first_token_is_waited_for(desk: Desk, url: str) -> None:
    asyncio.get_running_loop().call_later(0.5, desk.put, "groups")
    assert (await run("groups", "--wait", "5s", url=url)).out == f"{SECRET}\n"


@pytest.mark.parametrize("wait", ["5", "long", "31s"])
async def test_a_wait_that_makes_no_sense_is_refused_before_anybody_is_asked(wait: str) -> None:
    said = await run("groups", "--wait", wait, url="http://127.0.0.1:9")
    assert (said.out, said.code) == ("", 2)
    assert "Invalid value for --wait: " in said.err


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "unix:/nowhere/api.sock", "http://[::1]:9", "http://" + "x" * 70]
)
async def test_no_broker_is_one_sentence_that_names_the_url(url: str) -> None:
    said = await run(url=url)
    assert (said.out, said.code) == ("", 1)
    assert said.err.startswith(f"Error: no answer from a broker at {url} (")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:7180",
        "127.0.0.1:7180",
        "http://localhost:port",
        "http://",
        "unix:x",
        "http://x/v1",
        "http://[",
    ],
)
async def test_a_url_that_cannot_be_a_brokers_is_a_usage_error(url: str) -> None:
    said = await run("--url", url)
    assert said.code == 2
    assert f"{url} is no broker's URL; write it like http://127.0.0.1:7180" in said.err


FOREIGN = {
    "a page": http(b"<html>"),
    "another JSON": http(b'{"detail": "no such page"}', status="404 Not Found"),
    "a list": http(b"[]"),
    "a token of another type": http(b'{"access_token": 1}'),
    "not UTF-8": http(b"\xff\xfe"),
    "something endless": http(b" " * (2 * LARGEST)),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("sent", FOREIGN.values(), ids=FOREIGN)
async def test_what_is_no_broker_is_told_in_one_sentence(sent: bytes) -> None:
    async with raw_server(answers(sent)) as server:
        said = await run(url=server.url)
    assert (said.out, said.code) == ("", 1)
    assert "is --url or TOKEN_BROKER_URL right?" in said.err
    assert said.err.count("\n") == 1


async def test_an_answer_cannot_write_to_the_terminal() -> None:
    body = json.dumps({"error": "x", "error_description": "\x1b[2Jgone", "hint": "y"}).encode()
    async with raw_server(answers(http(body, status="400 Bad Request"))) as server:
        said = await run(url=server.url)
    assert "\x1b" not in said.err
    assert "gone y" in said.err


async def test_the_callers_secret_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "known").write_text(f"{CALLER}\n")
    (tmp_path / "secret").write_text(f"\n{CALLER} \r\nthe-old-one-0123456789\n")
    callers = {"reports": CallerSettings(secret_file=str(tmp_path / "known"))}
    async with open_desk(callers=callers, lists={"users-api": ("reports",)}) as desk:
        desk.put("users-api")
        url = f"http://{desk.addresses[0]}"
        assert await run("users-api", "--secret-file", str(tmp_path / "secret"), url=url) == Said(f"{SECRET}\n", "", 0)
        assert [event.caller for event in desk.told if isinstance(event, HandedOut)] == ["reports"]
        without = await run("users-api", url=url)
        assert (without.out, without.code) == ("", 1)


NO_SECRETS = {
    "cannot be read: No such file or directory": None,
    "is empty; its first line must be the caller's secret": b"",
    "is empty; its first line must be": b" \n\r\n",
    "is larger than 4096 bytes; name the file": b"s3cr3t" * 1000,
    "holds a space or a character beyond ASCII": b"s3cr3t and more",
    "beyond ASCII, which no secret has": "s3cr3tä".encode(),
    "holds a space": b"s3cr3t\x0cX-Forged: yes",
    "a character beyond ASCII": b"s3cr3t\x00\xff",
}


@pytest.mark.parametrize(("told", "content"), NO_SECRETS.items(), ids=map(str, range(len(NO_SECRETS))))
async def test_a_file_without_a_secret_is_one_sentence_that_names_it_and_nobody_is_asked(
    told: str, content: bytes | None, desk: Desk, url: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    said = await run("users-api", "--secret-file", str(file), url=url)
    assert (said.out, said.code) == ("", 1)
    assert said.err.startswith("Error: --secret-file: ")
    assert told in said.err
    assert str(file) in said.err
    assert said.err.count("\n") == 1
    assert "s3cr3t" not in said.err
    assert desk.served == []


async def test_the_callers_secret_is_in_no_argument_and_no_variable_while_the_broker_is_waited_for(
    tmp_path: Path,
) -> None:
    file = tmp_path / "secret"
    file.write_text(CALLER)
    seen: list[bytes] = []

    async def look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        seen.extend(Path(f"/proc/{process.pid}/{part}").read_bytes() for part in ("cmdline", "environ"))
        writer.close()

    server = await asyncio.start_unix_server(look, tmp_path / "api.sock")
    async with server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "broker", "token", "--secret-file", str(file)),
            env=os.environ | {"TOKEN_BROKER_URL": f"unix:{tmp_path}/api.sock"},
            stderr=subprocess.PIPE,
        )
        _, err = await process.communicate()
    request, arguments, variables = seen
    assert f"\r\nAuthorization: Bearer {CALLER}\r\n".encode() in request
    assert str(file).encode() in arguments
    assert CALLER.encode() not in arguments + variables + err


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(CALLER)
    script = (
        "import sys\n"
        "from broker.__main__ import main\n"
        f"sys.argv = ['token-broker', 'token', '--url', 'http://127.0.0.1:9', '--secret-file', '{tmp_path}/secret']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "http.client" in modules
    assert set(HEAVY).isdisjoint(modules)


async def test_a_token_that_could_not_be_printed_is_no_success(url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", 'exec "$0" -m broker token users-api --url "$1" >&-', sys.executable, url),
        stderr=subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert (process.returncode, err) == (1, b"token-broker: standard output cannot be written: it is closed\n")
