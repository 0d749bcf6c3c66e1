"""`token-broker check` as people and programs run it."""

import asyncio
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.devserver import DevServer, Fault
from e2e.processes import COMMAND, PATIENCE, config, run, started, write_key

SCOPE = "okta.users.read"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[DevServer]:
    async with DevServer() as running:
        running.register("client", {"keys": [write_key(tmp_path / "key.jwk")]}, [SCOPE])
        yield running


async def check(file: Path, *arguments: str, **env: str) -> tuple[int, str, str]:
    return await run("check", "--config", str(file), *arguments, env=env)


async def test_when_all_is_good_it_says_so_and_exits_0(server: DevServer, tmp_path: Path) -> None:
    code, out, err = await check(config(tmp_path, issuer=server.issuer))
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "All good."
    assert f"ok configuration {tmp_path}/config.yaml: 1 client, 1 token" in " ".join(out.split())


async def test_when_something_failed_it_exits_1(server: DevServer, tmp_path: Path) -> None:
    server.faults.set(Fault(status=401, body={"error": "invalid_client"}))
    code, out, err = await check(config(tmp_path, issuer=server.issuer))
    assert (code, err) == (1, "")
    assert "FAIL  token          t: refused with 401 (client_refused)" in out
    assert out.splitlines()[-1] == "1 step failed."


async def test_a_bad_configuration_is_sentences_and_exit_2(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("clients: {}\ntokenz: {}\n")
    code, out, err = await check(file)
    assert (code, out) == (2, "")
    assert all(line.startswith("token-broker: ") for line in err.splitlines())
    assert "tokenz" in err


async def test_a_bad_configuration_is_json_where_json_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("clients: {}\ntokenz: {}\n")
    code, out, err = await check(file, "--json")
    assert (code, err) == (2, "")
    found = json.loads(out)
    assert not found["ok"]
    assert {(step["step"], step["status"]) for step in found["steps"]} == {("configuration", "failed")}
    assert any("tokenz" in step["detail"] for step in found["steps"])


async def test_json_is_one_object_with_the_same_exit_code(server: DevServer, tmp_path: Path) -> None:
    file = config(tmp_path, issuer=server.issuer)
    code, out, _ = await check(file, "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)
    server.faults.set(Fault(status=500))
    code, out, _ = await check(file, "--json")
    assert (code, json.loads(out)["ok"]) == (1, False)


async def test_offline_asks_nobody(server: DevServer, tmp_path: Path) -> None:
    code, out, _ = await check(config(tmp_path, issuer=server.issuer), "--offline")
    assert code == 0
    assert out.endswith("All good. Nothing was sent.")
    assert server.journal.total == 0


async def test_the_tokens_of_the_environment_are_checked_and_no_others(server: DevServer, tmp_path: Path) -> None:
    tokens = f"  t: {{scopes: [{SCOPE}]}}\n  u: {{scopes: [okta.other]}}"
    file = config(tmp_path, issuer=server.issuer, tokens=tokens)
    assert (await check(file))[0] == 1
    code, out, _ = await check(file, TOKEN_BROKER_TOKENS="t")
    assert code == 0
    assert "u:" not in out


async def test_without_a_file_the_variables_are_checked(server: DevServer, tmp_path: Path) -> None:
    code, out, _ = await run(
        "check",
        env={
            "TOKEN_BROKER_ISSUER": server.issuer,
            "TOKEN_BROKER_PROVIDER": "okta",
            "TOKEN_BROKER_CLIENT_ID": "client",
            "TOKEN_BROKER_KEY_FILE": str(tmp_path / "key.jwk"),
            "TOKEN_BROKER_SCOPES": SCOPE,
        },
    )
    assert code == 0
    assert "from the environment: 1 client, 1 token" in out


CALLERS = """\
  callers:
    reports: {{secret_file: {folder}/secret{create}}}
"""


@pytest.mark.parametrize(("create", "expected"), [("", 2), (", create: true", 0)])
async def test_callers_secrets_are_judged_as_run_would_and_none_is_made(
    server: DevServer, tmp_path: Path, create: str, expected: int
) -> None:
    file = config(tmp_path, issuer=server.issuer)
    text = file.read_text()
    listen = 'api: {listen: ["127.0.0.1:0"]}\n'
    assert listen in text
    callers = CALLERS.format(folder=tmp_path, create=create)
    file.write_text(text.replace(listen, f'api:\n  listen: ["127.0.0.1:0"]\n{callers}'))
    code, _, err = await check(file, "--offline")
    assert code == expected
    assert ("api.callers.reports.secret_file" in err) == bool(expected)
    assert not (tmp_path / "secret").exists()


async def test_ctrl_c_ends_it_at_once_without_a_word(server: DevServer, tmp_path: Path) -> None:
    server.faults.set(Fault(hang=True))
    async with started("check", "--config", str(config(tmp_path, issuer=server.issuer))) as checking:
        async with asyncio.timeout(PATIENCE):
            while not any("key" in line for line in checking.lines) or not server.journal.total:
                await asyncio.sleep(0.02)
        began = time.monotonic()
        checking.send(signal.SIGINT)
        assert await checking.ended() == 130
        assert time.monotonic() - began < 2
        assert checking.errors == []


async def test_a_reader_that_goes_away_ends_it_without_a_traceback(server: DevServer, tmp_path: Path) -> None:
    file = config(tmp_path, issuer=server.issuer)
    process = await asyncio.create_subprocess_shell(
        f"{COMMAND} check --config {file} | head -n 1", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert out.startswith(b"ok ")
    assert err == b""


def test_a_full_disk_is_said_in_a_sentence(tmp_path: Path) -> None:
    write_key(tmp_path / "key.jwk")
    file = config(tmp_path, issuer="http://127.0.0.1:9")
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [COMMAND, "check", "--offline", "--config", str(file)],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == b"token-broker: standard output cannot be written: No space left on device\n"


# On a terminal


async def on_terminal(file: Path, columns: int = 80, **env: str) -> str:
    """What a terminal of this width is sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    clean = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS", "TERM"}}
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        "check",
        "--config",
        str(file),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**clean, "TERM": "xterm-256color", **env},
    )
    os.close(theirs)
    sent = bytearray()

    def read() -> None:
        try:
            while data := os.read(ours, 1 << 16):
                sent.extend(data)
        except OSError:  # the other end is closed
            pass

    await asyncio.to_thread(read)
    await process.wait()
    os.close(ours)
    return sent.decode()


async def test_on_a_terminal_the_outcomes_have_colours(tmp_path: Path) -> None:
    write_key(tmp_path / "key.jwk")
    sent = await on_terminal(config(tmp_path, issuer="http://127.0.0.1:9"))
    assert "\x1b[32mok\x1b[0m" in sent
    assert "\x1b[31m\x1b[1mFAIL\x1b[0m" in sent
    assert "\x1b[2m--\x1b[0m" in sent


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
async def test_who_wants_no_colours_gets_none(server: DevServer, tmp_path: Path, env: dict[str, str]) -> None:
    assert "\x1b" not in await on_terminal(config(tmp_path, issuer=server.issuer), 80, **env)


@pytest.mark.parametrize("columns", [60, 80, 200])
async def test_lines_fit_the_terminal_and_are_never_longer_than_80(
    server: DevServer, tmp_path: Path, columns: int
) -> None:
    server.faults.set(Fault(status=401, body={"error": "invalid_client"}))
    sent = await on_terminal(config(tmp_path, issuer=server.issuer), columns, NO_COLOR="1")
    wide = [line for line in sent.splitlines() if len(line) > min(columns, 80) and len(line.split()) > 3]
    assert wide == []
