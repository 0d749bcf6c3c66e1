"""The command line itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from broker import __version__
from broker.__main__ import COMMANDS, cli
from broker.config.resolve import DEFAULT_PATH
from each_case import for_each

HEAVY = {"aiohttp", "asyncio", "authlib", "joserfc", "cryptography", "msgspec", "yaml", "prometheus_client", "rich"}
ROOT = Path(__file__).parents[1]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, list(arguments), prog_name="token-broker")
    return result.exit_code, result.output


def test_the_version_is_told() -> None:
    assert run("--version") == (0, f"token-broker {__version__}\n")


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_version_and_help_import_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys; from broker.__main__ import cli\n"
        f"try: cli({arguments!r})\n"
        f"except SystemExit: print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_python_m_broker_is_the_same_program() -> None:
    done = subprocess.run([sys.executable, "-m", "broker", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"token-broker {__version__}\n"


def test_help_lists_every_command_with_its_purpose() -> None:
    code, text = run("--help")
    assert code == 0
    for name, purpose in COMMANDS.items():
        assert name in text
        assert purpose in text


@for_each("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    code, text = run(name, "--help")
    assert code == 0
    assert text.startswith(f"Usage: token-broker {name}")


def test_an_unknown_command_is_a_usage_error() -> None:
    code, text = run("rum")
    assert code == 2
    assert "rum" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_that_calls_the_program_back(shell: str) -> None:
    code, text = run("completion", shell)
    assert code == 0
    assert "_TOKEN_BROKER_COMPLETE" in text


def test_tab_knows_the_commands() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("token-broker"))],
        env={"_TOKEN_BROKER_COMPLETE": "bash_complete", "COMP_WORDS": "token-broker he", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "healthcheck" in done.stdout


def test_a_configuration_that_cannot_be_used_is_exit_code_2_and_one_line_a_complaint(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("api: {listen: [5], max_connections: none}\n")
    code, text = run("config", "show", "--config", str(file))
    assert code == 2
    assert len(text.splitlines()) >= 3
    assert all(line.startswith(f"token-broker: {file}") for line in text.splitlines())


def test_the_readme_names_commands_and_files_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    for link in (part.split(")")[0] for part in readme.split("](")[1:]):
        assert (ROOT / link).exists(), link
    for line in readme.splitlines():
        if line.startswith("$ token-broker "):
            assert line.split()[2] in COMMANDS
        if line.startswith("$ make "):
            assert f"\n{line.split()[2]}:" in (ROOT / "Makefile").read_text()


def printing(arguments: str, redirection: str, folder: Path, unbuffered: str = "") -> tuple[int, str]:
    """Exit code and stderr of the program in a shell."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m broker {arguments} {redirection}', sys.executable],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="platform: no /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "--version",
        "run --help",
        "config schema",
        "keygen",
        "completion bash",
        "dev-server --listen 127.0.0.1:0",
    ],
)
@pytest.mark.parametrize(
    ("redirection", "reason"), [(">/dev/full", "No space left on device"), (">&-", "it is closed")]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_cannot_be_printed_is_one_sentence_and_no_success(
    arguments: str, redirection: str, reason: str, unbuffered: str, tmp_path: Path
) -> None:
    code, said = printing(arguments, redirection, tmp_path, unbuffered)
    warnings = [line for line in said.splitlines() if line.startswith("Warning: ")]
    sentence = f"token-broker: standard output cannot be written: {reason}"
    assert (code, said.splitlines()) == (1, [*warnings, sentence])
    assert list(tmp_path.iterdir()) == []


def test_a_broken_pipe_is_left_quietly(tmp_path: Path) -> None:
    code, said = printing("config schema", "| :", tmp_path)
    assert (code, said) == (0, "")


@pytest.mark.parametrize("name", ["run", "jwks", "healthcheck", "config show"])
def test_the_place_of_the_configuration_is_told(name: str) -> None:
    _, text = run(*name.split(), "--help")
    assert DEFAULT_PATH in " ".join(text.split())
