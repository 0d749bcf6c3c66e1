import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from broker.__main__ import cli
from broker.cli.keygen import ALGORITHMS, ASSUMED
from broker.config.resolve import load
from broker.core import settings
from broker.keys.algorithms import FITTING
from broker.keys.parse import parse
from key_forms import private_members


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keygen(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["keygen", *arguments], prog_name="token-broker")


def test_it_offers_every_algorithm_that_can_be_configured() -> None:
    assert ALGORITHMS == settings.ALGORITHMS
    assert tuple(fitting[0] for fitting in FITTING.values()) == ASSUMED


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_public_jwk_on_stdout_is_that_of_the_private_one_in_the_file(folder: Path, algorithm: str) -> None:
    done = keygen("--algorithm", algorithm)
    assert done.exit_code == 0
    public = json.loads(done.stdout)
    content = (folder / "private-key.jwk").read_bytes()
    private = parse(content)
    assert json.loads(content) == public | private_members(private.native)
    assert public["alg"] == private.alg == algorithm
    assert public["kid"] == private.kid
    assert public["use"] == "sig"
    assert "d" not in public


def test_the_private_key_is_for_its_owner_alone(folder: Path) -> None:
    before = os.umask(0)
    try:
        keygen()
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "private-key.jwk").stat().st_mode) == 0o600


def test_nothing_private_is_printed(folder: Path) -> None:
    done = keygen()
    private = json.loads((folder / "private-key.jwk").read_text())
    assert not [name for name in ("d", "p", "q", "dp", "dq", "qi") if private[name][:8] in done.output]


@pytest.mark.parametrize("options", [[], ["--pem"]])
def test_a_file_that_exists_is_never_overwritten(folder: Path, options: list[str]) -> None:
    file = folder / "key"
    file.write_text("precious")
    done = keygen("--out", "key", *options)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == ("Error: key exists and is never overwritten; remove it, or name another file with --out.\n")
    assert file.read_text() == "precious"


def test_a_symlink_is_not_followed(folder: Path) -> None:
    (folder / "link").symlink_to("elsewhere")
    assert keygen("--out", "link").exit_code == 1
    assert not (folder / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_a_sentence() -> None:
    done = keygen("--out", "no/key")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: no/key cannot be written: No such file or directory.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="platform: no resource limits")
def test_a_full_disk_leaves_no_half_a_key(folder: Path) -> None:
    import resource  # noqa: PLC0415 - Windows has none

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        done = keygen("--out", "key")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: key cannot be written: File too large.\n"
    assert not (folder / "key").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--algorithm", "ES256", "--bits", "2048"], "ES256 keys have one size; leave it out."),
        (["--bits", "1024"], "1024 is not in the range"),
        (["--bits", "2049"], "must be a multiple of 8."),
        (["--kid", "a\nb"], "must be one line of at most 255 printable characters."),
        (["--kid", ""], "must be one line of at most 255 printable characters."),
        (["--algorithm", "HS256"], "'HS256' is not one of RS256, RS384,"),
    ],
)
def test_what_cannot_be_is_said(folder: Path, options: list[str], expected: str) -> None:
    done = keygen(*options)
    assert done.exit_code == 2
    assert expected in done.stderr
    assert list(folder.iterdir()) == []


def test_kid_and_size_are_as_asked() -> None:
    public = json.loads(keygen("--kid", "mine", "--bits", "3072").stdout)
    assert public["kid"] == "mine"
    assert len(public["n"]) == 512


@pytest.mark.parametrize(
    "options",
    [[], ["--pem"], ["--pem", "--algorithm", "PS256", "--kid", "2026, 'x'"], ["--algorithm", "Ed25519", "--pem"]],
)
def test_the_hint_is_a_configuration_that_works(folder: Path, options: list[str]) -> None:
    done = keygen(*options)
    hint = done.stderr.splitlines()[-1].strip()
    assert hint.startswith("private_key: {file: ")
    (folder / "config.yaml").write_text(f"""
clients:
  c:
    issuer: https://as.example
    client_id: c
    assertion: {{audience: token_endpoint}}
    {hint}
tokens:
  t: {{}}
""")
    assert len(load("config.yaml", {}).clients["c"].private_keys) == 1
    printed = CliRunner().invoke(cli, ["jwks", "--config", "config.yaml"])
    assert (printed.exit_code, printed.stderr) == (0, "")
    assert json.loads(printed.stdout) == {"keys": [json.loads(done.stdout)]}


def test_the_command_as_it_is_typed(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "broker", "keygen", "--algorithm", "es256"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["alg"] == "ES256"
    assert "keep it secret" in done.stderr
    assert (folder / "private-key.jwk").exists()
