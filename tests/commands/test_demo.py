"""`token-broker demo` as people run it: in a pipe, on a terminal, stopped in every way."""

import asyncio
import fcntl
import http.server
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from broker.cli.demo import story, workload
from broker.cli.demo.narrator import Narrator
from broker.cli.demo.tally import Call, Tally
from broker.cli.demo.workload import call
from broker.core.events import Crashed, KeyRefused, TokenExpired
from broker.devserver import DevServer
from e2e.processes import COMMAND, PATIENCE, Running, get, started

SENTENCE = (
    "Client Credentials requests to the Org Authorization Server must use the private_key_jwt"
    " token_endpoint_auth_method."
)
#: Long enough for two refreshes and the outage after them: 2 x 8 s at most, then 6 s, and the start.
LONG = 25


@pytest.fixture(scope="module", autouse=True)
def performance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    """One whole performance, which goes on beside the other tests of this file."""
    output = tmp_path_factory.mktemp("demo") / "output"
    with (
        output.open("wb") as file,
        subprocess.Popen([COMMAND, "demo", "--seconds", str(LONG)], stdout=file, stderr=subprocess.STDOUT) as process,
    ):
        process.args = str(output)
        yield process
        process.terminate()  # if only some of the tests were run; a kill would leave its folder behind


@pytest.fixture(scope="module")
def told(performance: subprocess.Popen[bytes]) -> str:
    """All that was written in the whole performance, after its end."""
    performance.wait(LONG + PATIENCE)
    return Path(str(performance.args)).read_text()


async def line(demo: Running, pattern: str) -> re.Match[str]:
    """The first match in the output, awaited."""
    async with asyncio.timeout(PATIENCE):
        while not (match := re.search(pattern, demo.output)):
            assert demo.process.returncode is None, demo.output
            await asyncio.sleep(0.02)
    return match


def figure(told: str, label: str) -> int:
    match = re.search(rf"^ +{label} +(\d+)", told, re.MULTILINE)
    assert match, told
    return int(match[1])


# Stopping it


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_it_ends_with_a_summary_and_0_when_asked_to(number: signal.Signals) -> None:
    async with started("demo") as demo:
        await line(demo, "Now watch")
        await asyncio.sleep(0.7)
        demo.send(number)
        assert await demo.ended() == 0
        assert figure(demo.output, "calls by the workload") > 0
        assert figure(demo.output, "missed") == 0
        assert "The workload never missed a token." in demo.lines
        assert demo.errors == []


async def test_it_ends_as_well_when_asked_before_the_workload_began() -> None:
    async with started("demo") as demo:
        await line(demo, "no account, no internet")
        demo.send(signal.SIGINT)
        assert await demo.ended() == 0
        assert "Summary" in demo.lines
        assert demo.errors == []


async def test_no_workload_outlives_it() -> None:
    async with started("demo", "--seconds", "2") as demo:
        await line(demo, "Now watch")
        await asyncio.sleep(0.3)
        (child,) = children(demo)
        await demo.ended()
        assert not Path(f"/proc/{child}").exists()


async def test_a_workload_that_dies_is_no_success() -> None:
    async with started("demo") as demo:
        await line(demo, "Now watch")
        await asyncio.sleep(0.3)
        (child,) = children(demo)
        os.kill(child, signal.SIGKILL)
        assert await demo.ended() == 1
        assert demo.lines[-1] == "The sample workload has ended by itself."


def children(demo: Running) -> list[int]:
    pid = demo.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_a_reader_that_goes_away_ends_it_without_a_traceback() -> None:
    process = await asyncio.create_subprocess_shell(
        f"{COMMAND} demo | head -n 2", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE):
        output, errors = await process.communicate()
    assert b"token-broker demo" in output
    assert errors == b""


def test_a_full_disk_is_said_in_a_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([COMMAND, "demo"], stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
    assert ended.returncode == 1
    assert ended.stderr == b"Error: the demo cannot go on: No space left on device.\n"


@pytest.mark.parametrize("seconds", ["-1", "soon"])
async def test_a_number_of_seconds_that_is_none_is_refused(seconds: str) -> None:
    async with started("demo", "--seconds", seconds) as demo:
        assert await demo.ended() == 2
        assert "--seconds" in demo.output


# What people can try


async def test_what_it_prints_to_try_by_hand_works_also_beside_another_demo() -> None:
    async with started("demo") as first, started("demo") as second:
        for demo in (first, second):
            await line(demo, "Now watch")
            tokens = (await line(demo, r"curl -H 'Metadata: true' (\S+)"))[1]
            assert json.loads((await get(tokens))[1])["token_type"] == "Bearer"
            assert (await get((await line(demo, r"curl (\S+/readyz)"))[1]))[0] == 200
            assert "token_broker_refreshes_total" in (await get((await line(demo, r"curl (\S+/metrics)"))[1]))[1]
        assert "is taken on this machine" in first.output + second.output
        for demo in (first, second):
            demo.send(signal.SIGINT)
            assert await demo.ended() == 0


@pytest.mark.slow
async def test_a_fault_by_hand_that_outlives_the_token_is_a_miss_and_it_says_so() -> None:
    async with started("demo") as demo:
        order = await line(demo, r"curl --json '(.+)' (\S+)")
        await line(demo, "Now watch")
        fault = {**json.loads(order[1]), "times": None}
        async with aiohttp.ClientSession() as client, client.post(order[2], json=fault) as answer:
            assert answer.status == 200
        await line(demo, "MISSED: the broker answered 503")
        demo.send(signal.SIGINT)
        assert await demo.ended() == 1
        assert figure(demo.output, "missed") > 0
        assert "the first time, the broker answered 503" in " ".join(demo.lines)


# On a terminal


def watched(*arguments: str, until: str, columns: int = 80, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and everything that a terminal was sent, by a demo that is interrupted once `until` was seen."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    before = termios.tcgetattr(theirs)
    clean = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(env or {})}
    with subprocess.Popen(
        [COMMAND, "demo", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=clean
    ) as process:
        sent = bytearray()

        def read() -> None:
            asked = False
            for chunk in chunks_of(ours):
                sent.extend(chunk)
                if not asked and re.search(until, sent.decode(errors="ignore")):
                    asked = True
                    process.send_signal(signal.SIGINT)

        reader = threading.Thread(target=read)
        reader.start()
        code = process.wait(PATIENCE)
        assert termios.tcgetattr(theirs) == before
    os.close(theirs)
    reader.join()
    os.close(ours)
    return code, sent.decode()


def chunks_of(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(descriptor, 1 << 16)
        except OSError:  # nobody holds the other end any more
            return
        if not chunk:
            return
        yield chunk


@pytest.mark.slow
def test_on_a_terminal_it_draws_the_token_and_gives_the_cursor_back() -> None:
    code, sent = watched(until="Token 2 replaces token 1")
    assert code == 0
    assert re.search(r"\d s left, replaced at \d\.\d s", sent)
    assert "Token 2 replaces token 1" in sent
    assert "\u2588" in sent
    assert sent.rindex("\x1b[?25h") > sent.rindex("\x1b[?25l")
    assert "\x1b[3" in sent
    assert "never missed a token" in sent


@pytest.mark.slow
def test_without_colour_and_on_a_narrow_terminal_it_still_draws() -> None:
    code, sent = watched(until=r"\d s left(?!,)", columns=40, env={"NO_COLOR": "1"})
    assert code == 0
    assert re.search(r"\d s left(?!,)", sent)
    assert "\u2588" in sent
    assert not re.search(r"\x1b\[[0-9;]*3\d[;m]", sent)


@pytest.mark.slow
def test_a_terminal_that_knows_ascii_only_is_sent_no_more() -> None:
    code, sent = watched(until=r"#+\|?#* *", env={"PYTHONIOENCODING": "ascii"})
    assert code == 0
    assert re.search(r"#+\|?#* *", sent)
    assert sent.isascii()


@pytest.mark.parametrize(("arguments", "environment"), [(["--plain"], {}), ([], {"TERM": "dumb"})])
def test_a_terminal_may_have_plain_lines_too(arguments: list[str], environment: dict[str, str]) -> None:
    code, sent = watched(*arguments, until="Now watch", env=environment)
    assert code == 0
    assert "\x1b" not in sent


# The workload


class _Broker(http.server.BaseHTTPRequestHandler):
    """Hands out whatever its server is told to."""

    status, body = 200, b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def handing_out() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Broker) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def test_a_token_that_the_api_refuses_counts_as_missed(handing_out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Broker, "body", b'{"access_token": "made-up", "expires_in": 7}')
    async with DevServer() as server:
        said = await asyncio.to_thread(call, handing_out, f"{server.issuer}/api/v1/users")
    assert (said["miss"], said["left"]) == ("the API answered 401", 7)
    assert "made-up" not in str(said)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"access_token": 1}', b'{"access_token": "made-up"}'])
def test_an_answer_that_is_no_token_counts_as_missed(
    handing_out: str, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(_Broker, "body", body)
    assert call(handing_out, "http://127.0.0.1:9/")["miss"].startswith("no usable answer from the broker")


def test_a_refusal_by_the_broker_counts_as_missed(handing_out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Broker, "status", 503)
    assert call(handing_out, "")["miss"] == "the broker answered 503"


def test_it_calls_five_times_a_second_and_ends_when_nobody_reads(handing_out: str) -> None:
    env = {**os.environ, "TOKEN_BROKER_URL": handing_out}
    with subprocess.Popen(
        [sys.executable, "-I", workload.__file__, "http://127.0.0.1:9/"], stdout=subprocess.PIPE, env=env
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        began = time.monotonic()
        for _ in range(5):
            assert "miss" in json.loads(process.stdout.readline())
        assert 0.8 < time.monotonic() - began < 5
        process.stdout.close()
        assert process.wait(PATIENCE) is not None


def test_nobody_at_the_other_end_counts_as_missed(handing_out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Broker, "body", b'{"access_token": "made-up", "expires_in": 7}')
    assert call("http://127.0.0.1:9", "")["miss"] == "no usable answer from the broker (ConnectionRefusedError)"
    said = call(handing_out, "http://127.0.0.1:9/")
    assert said["miss"] == "no usable answer from the API (ConnectionRefusedError)"


# The words


def test_of_misses_in_a_row_only_the_first_is_said() -> None:
    narrator = Narrator(tally := Tally())
    good, bad = Call(token="a", left=3, miss=None), Call(token=None, left=None, miss="the broker answered 503")
    said = [narrator(one, 0.0) for one in (good, bad, bad, good, bad)]
    assert [one and one[0] for one in said] == [
        None, "MISSED: the broker answered 503.", None, None, "MISSED: the broker answered 503."
    ]  # fmt: skip
    assert (tally.calls, tally.misses, tally.shortest) == (5, 3, 3)


def test_what_should_never_happen_has_words_too() -> None:
    narrator = Narrator(Tally())
    assert narrator(KeyRefused(client="okta", file="k", detail="k is empty.", kept=False), 0.0) == (
        "k is empty.",
        "bad",
    )
    assert narrator(TokenExpired(token="t", client="okta", reason="timeout"), 0.0) == (story.EXPIRED, "miss")
    assert "Please report it" in str(narrator(Crashed(where="the log", error="TypeError"), 0.0))


# The whole performance; last, since it takes a while


def test_the_client_secret_is_refused_in_the_servers_own_words(told: str) -> None:
    assert "The server refuses with 401 invalid_client:" in " ".join(told.split())
    assert f'    "{SENTENCE}"' in told.splitlines()


def test_then_the_key_is_accepted(told: str) -> None:
    assert re.search(r"A fresh ES256 key pair.+thumbprint \(RFC 7638\), [\w-]{43}\.", " ".join(told.split()))
    assert "The server answers 200: a token for 16 s." in told


def test_tokens_are_replaced_ahead_of_their_expiry(told: str) -> None:
    assert re.search(r"Token 2 replaces token 1, which had [789]\.\d s left\. \d+ calls so far, 0 missed\.", told)


def test_an_outage_is_explained_and_costs_the_workload_nothing(told: str) -> None:
    after = told.partition(story.OUTAGE)[2]
    assert re.search(r"The refresh failed\. Cause: .+ status 503\. Fix: Wait, .+ Token 2 is good for .+", after)
    assert "The refresh failed again. Token 2 is good for" in after
    assert re.search(r"The server is back: token 3 replaces token 2, which had .+ the workload missed nothing\.", after)


def test_it_ends_by_itself_with_figures_and_0(performance: subprocess.Popen[bytes], told: str) -> None:
    assert performance.returncode == 0
    assert figure(told, "calls by the workload") > 3 * LONG
    assert figure(told, "answered 200 by the API") == figure(told, "calls by the workload")
    assert figure(told, "missed") == 0
    assert figure(told, "tokens it used") >= 3
    assert figure(told, "refreshes") == figure(told, "tokens it used") - 1
    assert figure(told, "failed refreshes") == 2
    assert 1 <= figure(told, "shortest time left to it") <= 8


def test_no_secret_and_no_control_character_is_written(told: str) -> None:
    assert "eyJ" not in told
    assert '"d"' not in told
    assert "client_secret=" not in told
    assert told.isascii()
    assert told.replace("\n", "").isprintable()
