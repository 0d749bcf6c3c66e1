"""`token-broker dev-server`, as it is typed."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner, Result
from joserfc.jwk import ECKey, OKPKey

from broker.cli.dev_server import command
from broker.devserver import DevServer
from devserver_client import Asker, Prover, Reply, public

START = "from broker.cli.dev_server import command; command()"
Start = Callable[..., "Running"]


class Running:
    """The command as a process; `issuer` is what it printed."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, "--listen", "127.0.0.1:0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.issuer = self.line().split()[-1]
        self.line()

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[str, str]:
        """What it still had to say, on stdout and stderr."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=10)


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Running] = []

    def starting(*arguments: str) -> Running:
        started.append(Running(*arguments))
        return started[-1]

    yield starting
    for running in started:
        running.process.kill()
        running.process.communicate()


@pytest.fixture
def jwks(key: ECKey, tmp_path: Path) -> Path:
    file = tmp_path / "app.jwks"
    file.write_text(json.dumps(public(key)))
    return file


async def ask(
    http: aiohttp.ClientSession, issuer: str, key: ECKey, scope: str = "okta.users.read", proof: str | None = None
) -> Reply:
    server = DevServer(listen=("127.0.0.1", int(issuer.rsplit(":", 1)[1])))
    app = Asker(http, server, key, time.time)
    return await app.post(app.form(app.assertion(), scope=scope), {"DPoP": proof} if proof else None)


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


# Running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_0_when_asked_to(start: Start, number: signal.Signals) -> None:
    running = start()
    _, errors = running.stop(number)
    assert running.process.returncode == 0
    assert "Traceback" not in errors


async def test_it_prints_one_line_for_each_request_and_no_secret(
    start: Start, http: aiohttp.ClientSession, jwks: Path, key: ECKey
) -> None:
    running = start("--client", f"app={jwks}", "--scopes", "okta.users.read other", "--lifetime", "5m")
    reply = await ask(http, running.issuer, key)
    assert (reply.status, reply.body["expires_in"], reply.body["scope"]) == (200, 300, "okta.users.read")
    form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "s3cret"}
    async with http.post(running.issuer + "/oauth2/v1/token", data=form) as answer:
        assert answer.status == 401
    printed, errors = running.stop()
    first, second = printed.splitlines()
    assert first.endswith("  app  200 issued: a token for 300 s, scope okta.users.read")
    assert "  app  401 refused: Client Credentials requests to the Org Authorization Server must use" in second
    assert ("s3cret" in printed, "eyJ" in printed, errors) == (False, False, "")


@pytest.mark.parametrize("registered", [True, False])
async def test_every_client_can_be_made_to_prove_possession(
    start: Start, http: aiohttp.ClientSession, jwks: Path, key: ECKey, *, registered: bool
) -> None:
    running = start("--dpop", *(["--client", f"app={jwks}"] if registered else []))
    refused = (await ask(http, running.issuer, key)).said
    assert refused == (400, "invalid_dpop_proof", "The DPoP proof JWT header is missing.")
    prover = Prover(running.issuer + "/oauth2/v1/token", time.time)
    wanted = await ask(http, running.issuer, key, proof=prover.proof())
    assert wanted.body["error"] == "use_dpop_nonce"
    prover.nonce = wanted.headers["DPoP-Nonce"]
    assert (await ask(http, running.issuer, key, proof=prover.proof())).body["token_type"] == "DPoP"
    assert "200 issued: a DPoP token for 3600 s" in running.stop()[0]


async def test_a_registered_client_needs_its_own_key(
    start: Start, http: aiohttp.ClientSession, jwks: Path, key: ECKey
) -> None:
    running = start("--client", f"app={jwks}")
    stranger = ECKey.generate_key("P-256", {"kid": key.kid or ""})
    assert (await ask(http, running.issuer, stranger)).sentence == "The client_assertion signature is invalid."


async def test_without_clients_any_key_is_accepted_and_it_says_so(
    start: Start, http: aiohttp.ClientSession, key: ECKey
) -> None:
    running = start()
    assert (await ask(http, running.issuer, key, "whatever")).body["scope"] == "whatever"
    _, errors = running.stop()
    assert "NO SIGNATURE IS CHECKED" in errors


async def test_a_fault_that_resets_is_printed_without_a_status(
    start: Start, http: aiohttp.ClientSession, key: ECKey
) -> None:
    running = start()
    async with http.post(running.issuer + "/dev/faults", json={"reset": True, "times": 1}) as answer:
        assert answer.status == 200
    with pytest.raises(aiohttp.ClientError):
        await ask(http, running.issuer, key)
    printed, _ = running.stop()
    assert "  app  --- reset: told to reset the connection" in printed


def test_it_warns_of_an_address_beyond_loopback(start: Start) -> None:
    running = start("--listen", ":0")
    assert running.issuer.startswith("http://localhost:")
    _, errors = running.stop()
    assert "every address is not loopback" in errors


# Arguments


@pytest.mark.parametrize("address", ["8080", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "::1:8080"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    result = typed("--listen", address)
    assert result.exit_code == 2
    assert "--listen" in result.stderr
    assert "write it like 127.0.0.1:8080" in result.stderr


def test_an_address_in_use_is_a_sentence(start: Start) -> None:
    port = start().issuer.rsplit(":", 1)[1]
    result = typed("--listen", f"127.0.0.1:{port}")
    assert result.exit_code == 2
    assert f"127.0.0.1:{port} cannot be listened on" in result.stderr


@pytest.mark.parametrize("lifetime", ["forever", "500ms", "0s"])
def test_a_lifetime_that_is_none_is_refused(lifetime: str) -> None:
    result = typed("--lifetime", lifetime)
    assert (result.exit_code, "--lifetime" in result.stderr) == (2, True)


@pytest.mark.parametrize("client", ["app", "=x", "app="])
def test_a_client_without_id_or_keys_is_refused(client: str) -> None:
    result = typed("--client", client)
    assert (result.exit_code, "is not ID=FILE or ID=URL" in result.stderr) == (2, True)


def test_a_client_given_twice_is_refused(jwks: Path) -> None:
    result = typed("--client", f"app={jwks}", "--client", f"app={jwks}")
    assert (result.exit_code, "is given twice" in result.stderr) == (2, True)


def test_a_key_file_that_is_missing_is_refused_by_name(tmp_path: Path) -> None:
    result = typed("--client", f"app={tmp_path / 'absent.jwks'}")
    assert result.exit_code == 2
    assert "absent.jwks cannot be read: No such file or directory." in "".join(result.stderr.splitlines())


def test_a_private_key_is_refused(key: ECKey, tmp_path: Path) -> None:
    (tmp_path / "app.jwk").write_text(json.dumps(key.as_dict(private=True)))
    result = typed("--client", f"app={tmp_path / 'app.jwk'}")
    assert (result.exit_code, "private half" in result.stderr) == (2, True)
    assert str(key.as_dict(private=True)["d"]) not in result.output


def test_a_file_without_a_key_for_okta_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.jwks").write_text(json.dumps(public(OKPKey.generate_key("Ed25519"))))
    result = typed("--client", f"app={tmp_path / 'app.jwks'}")
    assert (result.exit_code, "holds no key that Okta takes" in result.stderr) == (2, True)


def test_a_url_is_not_fetched_before_it_is_needed(start: Start) -> None:
    running = start("--client", "app=http://127.0.0.1:9/jwks.json")
    _, errors = running.stop()
    assert (running.process.returncode, errors) == (0, "")


# Starting fast


def test_reading_the_command_imports_nothing_heavy() -> None:
    program = (
        "import sys; import broker.cli.dev_server; "
        "print({'aiohttp', 'asyncio', 'joserfc', 'cryptography', 'msgspec'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
