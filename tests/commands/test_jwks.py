import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from broker.__main__ import cli
from key_forms import jwk, native, pem, private_members, public_members

CONFIG = """
clients:
  one:
    issuer: https://as.example
    client_id: c1
    private_keys:
      - {file: new.jwk}
      - {file: old.pem, kid: old}
    assertion: {audience: token_endpoint}
  two:
    issuer: https://as.example
    client_id: c2
    private_key: {file: old.pem, kid: other}
    assertion: {audience: issuer}
tokens:
  t: {client: one}
  u: {client: two}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "new.jwk").write_text(json.dumps(jwk(native("P-256"), kid="new", extra="x")))
    (tmp_path / "old.pem").write_bytes(pem(native("RSA")))
    return tmp_path


def jwks(folder: Path, *arguments: str, environ: dict[str, str] | None = None) -> Result:
    return CliRunner(env={"TOKEN_BROKER_CONFIG": str(folder / "config.yaml")} | (environ or {})).invoke(
        cli, ["jwks", *arguments], prog_name="token-broker"
    )


def test_it_prints_the_public_half_of_every_key_of_the_client(folder: Path) -> None:
    done = jwks(folder, "--client", "one")
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "keys": [
            {**public_members(native("P-256")), "use": "sig", "alg": "ES256", "kid": "new"},
            {**public_members(native("RSA")), "use": "sig", "alg": "RS256", "kid": "old"},
        ]
    }


def test_nothing_private_is_printed(folder: Path) -> None:
    output = jwks(folder, "--client", "one").output
    for kind in ("P-256", "RSA"):
        assert not [value for value in private_members(native(kind)).values() if value[:8] in output]


def test_of_several_clients_one_must_be_named(folder: Path) -> None:
    done = jwks(folder)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "token-broker: --client is needed; the configuration has one, two\n"


def test_a_client_that_is_not_there_is_a_sentence(folder: Path) -> None:
    done = jwks(folder, "--client", "three")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "token-broker: there is no client three; the configuration has one, two\n"


def test_a_key_that_cannot_be_used_leaves_no_half_a_set(folder: Path) -> None:
    (folder / "old.pem").unlink()
    done = jwks(folder, "--client", "one")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"Error: {folder}/old.pem does not exist; mount it there or correct the name.\n"


def test_a_bad_configuration_is_exit_code_2(folder: Path) -> None:
    (folder / "config.yaml").write_text("clients: {}\n")
    done = jwks(folder)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("token-broker: ")
    assert "Traceback" not in done.stderr


def test_the_only_client_need_not_be_named_and_the_command_is_as_it_is_typed(folder: Path) -> None:
    environ = {
        "TOKEN_BROKER_ISSUER": "https://acme.okta.com",
        "TOKEN_BROKER_PROVIDER": "okta",
        "TOKEN_BROKER_CLIENT_ID": "0oa1",
        "TOKEN_BROKER_KEY_FILE": str(folder / "new.jwk"),
        "TOKEN_BROKER_SCOPES": "okta.users.read",
    }
    done = subprocess.run(
        [sys.executable, "-m", "broker", "jwks"], env=environ, capture_output=True, text=True, check=True, cwd=folder
    )
    assert [key["kid"] for key in json.loads(done.stdout)["keys"]] == ["new"]


def test_a_sentence_that_asks_is_not_ended_twice(folder: Path) -> None:
    (folder / "old.pem").write_bytes(b"#" * 100_000)
    assert jwks(folder, "--client", "two").stderr.endswith("is it the right file?\n")
