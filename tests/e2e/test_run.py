"""`token-broker run` as a process: signals, files, ports, output, exit codes."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from broker.devserver import DevServer, Fault
from e2e.processes import config, eventually, get, run, started, write_key
from programs.installed import needed


def register(server: DevServer, *keys: dict[str, object]) -> None:
    server.register("client", {"keys": list(keys)}, {"okta.users.read"})


async def test_it_fetches_a_token_and_hands_it_out(tmp_path: Path) -> None:
    async with DevServer(lifetime=3600) as server:
        register(server, write_key(tmp_path / "key.jwk"))
        async with started("run", "--config", str(config(tmp_path, issuer=server.issuer))) as broker:
            api = await broker.address("api")
            await broker.event("token_refreshed", token="t")
            status, text = await get(f"{api}/v1/token")
            assert status == 200
            assert 3590 <= json.loads(text)["expires_in"] <= 3600
            admin = await broker.address("admin")
            for path in ("/livez", "/startupz", "/readyz", "/readyz/t"):
                assert (await get(admin + path))[0] == 200
            broker.send(signal.SIGTERM)
            assert await broker.ended() == 0
            assert broker.errors == []


async def test_it_listens_at_once_and_answers_503_while_the_server_is_unreachable_then_recovers(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    public = write_key(tmp_path / "key.jwk")
    file = config(tmp_path, issuer=f"http://127.0.0.1:{port}")
    async with started("run", "--config", str(file)) as broker:
        api, admin = await broker.address("api"), await broker.address("admin")
        failed = await broker.event("refresh_failed")
        assert failed["reason"] == "connect_failed"
        assert failed["cause"]
        assert failed["fix"]
        status, text = await get(f"{api}/v1/token")
        assert status == 503
        body = json.loads(text)
        assert (body["error"], body["reason"]) == ("temporarily_unavailable", "connect_failed")
        assert body["hint"]
        assert (await get(f"{admin}/livez"))[0] == 200
        assert (await get(f"{admin}/readyz"))[0] == 503
        async with DevServer(listen=("127.0.0.1", port)) as server:
            register(server, public)
            await eventually(f"{api}/v1/token", 200)
            assert (await get(f"{admin}/readyz"))[0] == 200


@pytest.mark.parametrize("what", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_within_a_second_of_being_asked_under_load(tmp_path: Path, what: signal.Signals) -> None:
    async with DevServer() as server:
        register(server, write_key(tmp_path / "key.jwk"))
        async with started("run", "--config", str(config(tmp_path, issuer=server.issuer))) as broker:
            api = await broker.address("api")
            await broker.event("token_refreshed")
            statuses: list[int] = []

            async def workload(http: aiohttp.ClientSession) -> None:
                while True:
                    try:
                        async with http.get(f"{api}/v1/token", headers={"Metadata": "true"}) as reply:
                            statuses.append(reply.status)
                            await reply.read()
                    except aiohttp.ClientError:
                        return

            async with aiohttp.ClientSession() as http:
                load = [asyncio.create_task(workload(http)) for _ in range(20)]
                await asyncio.sleep(0.3)
                asked = time.monotonic()
                broker.send(what)
                assert await broker.ended() == 0
                took = time.monotonic() - asked
                await asyncio.gather(*load)
            assert set(statuses) == {200}
            # The promise is one second; the bound leaves room for a machine that is busy with other tests.
            assert took < 3
            assert "Traceback" not in broker.output


async def test_it_ends_at_once_while_the_server_hangs(tmp_path: Path) -> None:
    async with DevServer() as server:
        register(server, write_key(tmp_path / "key.jwk"))
        server.faults.set(Fault(hang=True))
        async with started("run", "--config", str(config(tmp_path, issuer=server.issuer))) as broker:
            await broker.address("admin")
            await asyncio.sleep(0.3)
            asked = time.monotonic()
            broker.send(signal.SIGTERM)
            assert await broker.ended() == 0
            assert time.monotonic() - asked < 3


def test_it_ends_at_once_while_the_resolver_hangs(tmp_path: Path) -> None:
    """The resolver runs in a thread that nothing can interrupt: the process must not wait for it."""
    write_key(tmp_path / "key.jwk")
    file = config(tmp_path, issuer="https://idp.invalid")
    code = (
        "import socket, sys, time; real = socket.getaddrinfo;"
        "socket.getaddrinfo = lambda host, *a, **k: time.sleep(60) if 'idp' in str(host) else real(host, *a, **k);"
        f"sys.argv = ['token-broker', 'run', '--config', {str(file)!r}];"
        "from broker.__main__ import main; main()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert any(b'"admin"' in line for line in process.stdout), "it ended before it listened"
        time.sleep(0.5)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - asked < 3


async def test_it_serves_on_while_draining_and_a_second_signal_ends_that(tmp_path: Path) -> None:
    async with DevServer() as server:
        register(server, write_key(tmp_path / "key.jwk"))
        file = config(tmp_path, issuer=server.issuer, extra="shutdown: {drain: 60s}")
        async with started("run", "--config", str(file)) as broker:
            api = await broker.address("api")
            await broker.event("token_refreshed")
            broker.send(signal.SIGTERM)
            assert (await broker.event("stopping"))["signal"] == "SIGTERM"
            assert (await get(f"{api}/v1/token"))[0] == 200
            broker.send(signal.SIGTERM)
            assert await broker.ended() == 0


async def handles(process: asyncio.subprocess.Process, which: str, what: signal.Signals) -> None:
    """Wait until the kernel says that the process catches (`SigCgt`) or ignores (`SigIgn`) the signal, see proc(5)."""
    async with asyncio.timeout(60):
        while True:
            status = Path(f"/proc/{process.pid}/status").read_text()
            mask = int(next(line.split()[1] for line in status.splitlines() if line.startswith(which)), 16)
            if mask >> (what - 1) & 1:
                return
            await asyncio.sleep(0)


@pytest.mark.skipif(sys.platform != "linux", reason="platform: needs Linux's /proc")
@pytest.mark.parametrize("after", [0.0, 0.1, 0.2])
async def test_sigterm_while_it_still_imports_ends_it_quietly(tmp_path: Path, after: float) -> None:
    """As PID 1 a process without a handler would not even notice."""
    write_key(tmp_path / "key.jwk")
    async with started("run", "--config", str(config(tmp_path, issuer="http://127.0.0.1:9"))) as broker:
        await handles(broker.process, "SigCgt", signal.SIGTERM)
        await asyncio.sleep(after)
        broker.send(signal.SIGTERM)
        assert await broker.ended() == 0
        assert broker.errors == []


@pytest.mark.skipif(sys.platform != "linux", reason="platform: needs Linux's /proc")
async def test_sighup_while_it_still_imports_does_not_end_it(tmp_path: Path) -> None:
    write_key(tmp_path / "key.jwk")
    async with started("run", "--config", str(config(tmp_path, issuer="http://127.0.0.1:9"))) as broker:
        await handles(broker.process, "SigIgn", signal.SIGHUP)
        broker.send(signal.SIGHUP)
        await broker.event("refresh_failed")
        assert broker.process.returncode is None


async def test_sighup_takes_a_new_key_at_once(tmp_path: Path) -> None:
    async with DevServer() as server:
        register(server, write_key(tmp_path / "other.jwk", "other"))
        write_key(tmp_path / "key.jwk", "wrong")
        async with started("run", "--config", str(config(tmp_path, issuer=server.issuer))) as broker:
            await broker.event("refresh_failed")
            register(server, write_key(tmp_path / "key.jwk", "right"))
            broker.send(signal.SIGHUP)
            await broker.event("reloading")
            await broker.event("key_loaded", kid="right")
            await broker.event("token_refreshed")


async def test_a_key_that_appears_later_is_taken_without_a_signal(tmp_path: Path) -> None:
    async with (
        DevServer() as server,
        started("run", "--config", str(config(tmp_path, issuer=server.issuer))) as broker,
    ):
        api = await broker.address("api")
        refused = await broker.event("key_refused")
        assert str(tmp_path / "key.jwk") in json.dumps(refused)
        assert (await broker.event("refresh_failed"))["reason"] == "key_file"
        assert json.loads((await get(f"{api}/v1/token"))[1])["reason"] == "key_file"
        register(server, write_key(tmp_path / "key.jwk"))
        await eventually(f"{api}/v1/token", 200)


async def test_an_unreadable_key_is_named_and_the_process_stays_up(tmp_path: Path) -> None:
    write_key(tmp_path / "key.jwk")
    file = config(tmp_path, issuer="http://127.0.0.1:9")
    (tmp_path / "key.jwk").unlink()
    (tmp_path / "key.jwk").mkdir()
    async with started("run", "--config", str(file)) as broker:
        refused = await broker.event("key_refused")
        assert "key.jwk" in json.dumps(refused)
        assert (await get(f"{await broker.address('admin')}/livez"))[0] == 200
        broker.send(signal.SIGTERM)
        assert await broker.ended() == 0


async def test_a_port_that_is_taken_is_exit_code_2_and_a_sentence(tmp_path: Path) -> None:
    write_key(tmp_path / "key.jwk")
    file = config(tmp_path, issuer="http://127.0.0.1:9")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, errors = await run("run", "--config", str(file), env={"TOKEN_BROKER_API_LISTEN": f"127.0.0.1:{port}"})
    assert code == 2
    assert "api.listen" in errors
    assert str(port) in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clients: [", "config.yaml:"),
        ("clientz: {}", "did you mean 'clients'?"),
        ("", "config.yaml"),
    ],
)
async def test_a_bad_configuration_is_exit_code_2_and_sentences(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    code, output, errors = await run("run", "--config", str(file))
    assert code == 2
    assert expected in errors
    assert output == ""
    assert "Traceback" not in errors


async def test_no_configuration_at_all_says_what_to_write(tmp_path: Path) -> None:
    code, _, errors = await run("run", "--config", str(tmp_path / "missing.yaml"))
    assert code == 2
    assert "missing.yaml" in errors


async def test_variables_alone_are_enough(tmp_path: Path) -> None:
    async with DevServer() as server:
        register(server, write_key(tmp_path / "key.jwk"))
        env = {
            "TOKEN_BROKER_ISSUER": server.issuer,
            "TOKEN_BROKER_PROVIDER": "keycloak",
            "TOKEN_BROKER_CLIENT_ID": "client",
            "TOKEN_BROKER_KEY_FILE": str(tmp_path / "key.jwk"),
            "TOKEN_BROKER_SCOPES": "okta.users.read",
            "TOKEN_BROKER_API_LISTEN": "127.0.0.1:0",
            "TOKEN_BROKER_ADMIN_LISTEN": "127.0.0.1:0",
        }
        async with started("run", env=env) as broker:
            event = await broker.event("refresh_failed")
            assert event["reason"] == "audience_refused"


@pytest.mark.slow
async def test_a_changed_configuration_file_is_told_and_not_applied(tmp_path: Path) -> None:
    async with DevServer() as server:
        register(server, write_key(tmp_path / "key.jwk"))
        file = config(tmp_path, issuer=server.issuer)
        async with started("run", "--config", str(file)) as broker:
            admin = await broker.address("admin")
            await broker.event("token_refreshed")
            file.write_text(file.read_text() + "# changed\n")
            await broker.event("config_changed")
            assert "token_broker_config_stale 1.0" in (await get(f"{admin}/metrics"))[1]


async def test_promtool_finds_nothing_to_complain_about_in_its_metrics(tmp_path: Path) -> None:
    promtool = needed("promtool", "prometheus")
    async with DevServer() as server:
        register(server, write_key(tmp_path / "key.jwk"))
        async with started("run", "--config", str(config(tmp_path, issuer=server.issuer))) as broker:
            api, admin = await broker.address("api"), await broker.address("admin")
            await eventually(f"{api}/v1/token", 200)
            metrics = (await get(f"{admin}/metrics"))[1]
    assert 'token_broker_handouts_total{caller="anonymous",token="t"}' in metrics
    command = [promtool, "check", "metrics"]
    done = await asyncio.to_thread(subprocess.run, command, input=metrics, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_no_secret_is_in_its_output_or_metrics(tmp_path: Path) -> None:
    """Not even when the server throws the token and our own assertion back at us in its error."""
    async with DevServer(lifetime=4) as server:
        register(server, write_key(tmp_path / "key.jwk"))
        async with started("run", "--config", str(config(tmp_path, issuer=server.issuer))) as broker:
            api, admin = await broker.address("api"), await broker.address("admin")
            await broker.event("token_refreshed")
            token = json.loads((await get(f"{api}/v1/token"))[1])["access_token"]
            server.faults.set(Fault(status=400, body={"error": "invalid_client", "error_description": f"bad {token}"}))
            failed = await broker.event("refresh_failed")
            assert failed["server_said"] == "invalid_client: bad [removed]"
            seen = [(await get(admin + path))[1] for path in ("/", "/metrics", "/readyz", "/clients/c/jwks.json")]
            seen.append((await get(f"{api}/v1/token?wait=5s"))[1])
            broker.send(signal.SIGTERM)
            await broker.ended()
    private = json.loads((tmp_path / "key.jwk").read_text())["d"]
    for text in (broker.output, *seen[:-1]):
        assert token not in text
        assert private not in text
    assert private not in seen[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="platform: only Linux has prctl(2)")
def test_the_process_cannot_dump_core_or_be_looked_into() -> None:
    code = "import ctypes, resource; from broker.app.daemon import harden; harden();"
    code += "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(0, 0) 0"


@pytest.mark.skipif(sys.platform != "linux", reason="platform: needs Linux's /proc")
async def test_run_sets_the_core_limit_to_zero(tmp_path: Path) -> None:
    write_key(tmp_path / "key.jwk")
    async with started("run", "--config", str(config(tmp_path, issuer="http://127.0.0.1:9"))) as broker:
        await broker.address("admin")
        limits = Path(f"/proc/{broker.process.pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"]


@pytest.mark.parametrize(
    "example", ["okta-org", "okta-custom", "entra", "keycloak", "auth0", "smart-backend", "generic"]
)
async def test_every_example_runs_on_a_laptop_without_any_secret(example: str) -> None:
    file = Path(__file__).parents[2] / "config" / f"{example}.yaml"
    env = {"TOKEN_BROKER_API_LISTEN": "127.0.0.1:0", "TOKEN_BROKER_ADMIN_LISTEN": "127.0.0.1:0"}
    async with started("run", "--dev", "--config", str(file), env=env) as broker:
        admin = await broker.address("admin")
        await eventually(f"{admin}/readyz", 200)
        assert any("made up" in event.get("detail", "") for event in broker.events)
        broker.send(signal.SIGTERM)
        assert await broker.ended() == 0
