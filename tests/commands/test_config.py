"""`config show` and `config schema`, as they are typed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from configurations import OKTA, spoilt


def run(*arguments: str, folder: Path, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "broker", "config", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[2])} | (environ or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(OKTA)
    return tmp_path


def test_the_effective_configuration_is_a_configuration(folder: Path) -> None:
    shown = run("show", "--config", "config.yaml", folder=folder)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert yaml.safe_load(shown.stdout)["clients"]["okta"]["assertion"]["audience"] == "token_endpoint"
    (folder / "shown.yaml").write_text(shown.stdout)
    assert run("show", "--config", "shown.yaml", folder=folder).stdout == shown.stdout


def test_variables_are_part_of_the_effective_configuration(folder: Path) -> None:
    shown = run(
        "show", folder=folder, environ={"TOKEN_BROKER_CONFIG": "config.yaml", "TOKEN_BROKER_LOG_LEVEL": "debug"}
    )
    assert yaml.safe_load(shown.stdout)["log"]["level"] == "debug"


def test_what_is_unwise_is_said_beside_it(folder: Path) -> None:
    (folder / "config.yaml").write_text(spoilt(OKTA, "  listen: [localhost:7180]", "  require_header: false"))
    shown = run("show", "--config", "config.yaml", folder=folder)
    assert shown.returncode == 0
    assert shown.stderr.startswith("token-broker: warning: api.require_header: off")


def test_a_configuration_that_cannot_be_used_is_exit_code_2_and_a_sentence_each(folder: Path) -> None:
    (folder / "config.yaml").write_text(spoilt(spoilt(OKTA, "listen:", "listn:"), "0oa1b2c3d4", "''"))
    shown = run("show", "--config", "config.yaml", folder=folder)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr.splitlines() == [
        "token-broker: config.yaml:2: api.listn: unknown key 'listn', did you mean 'listen'?",
        "token-broker: config.yaml:7: clients.okta.client_id: is empty; leave the key out, or write a value",
    ]


def test_the_schema_is_json_and_the_reference_markdown(folder: Path) -> None:
    assert json.loads(run("schema", folder=folder).stdout)["title"] == "token-broker configuration"
    assert run("schema", "--markdown", folder=folder).stdout.startswith("# Configuration\n")


def test_the_command_itself_imports_only_click() -> None:
    program = "import sys, broker.cli.config; print(sorted({'msgspec', 'yaml', 'broker.config'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "[]\n"
