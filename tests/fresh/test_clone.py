"""A new clone sets itself up and runs, with the oldest pip that somebody has and with the newest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from broker import __version__
from programs.installed import missing, needed

ROOT = Path(__file__).parents[2]
#: What each Python's first release brought; for 3.11 it is the pip of Debian 12. Older ones do not run on that Python.
OLDEST = {(3, 11): "23.0.1", (3, 12): "23.2.1"}.get(sys.version_info[:2], "24.2")
#: Variables of the surrounding run of make and pytest.
SURROUNDING = ("COVERAGE", "COV_", "MAKE", "MFLAGS", "PYTEST", "VIRTUAL_ENV")
DEADLINE = 600


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The ended command, whose environment has nothing of this run of the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(SURROUNDING)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE
    )


@pytest.fixture(params=[f"pip=={OLDEST}", "pip"])
def clone(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The last commit, with an empty virtual environment that holds only the requested pip."""
    folder = tmp_path / "clone"
    done = run(needed("git", "git"), "clone", "--quiet", ROOT, folder, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert run(sys.executable, "-m", "venv", ".venv", folder=folder).returncode == 0
    pip = (folder / ".venv/bin/python", "-m", "pip")
    done = run(*pip, "install", "--quiet", "--upgrade", request.param, folder=folder)
    if done.returncode:
        missing(f"{request.param} cannot be had; is there a network? {done.stderr}")
    run(*pip, "uninstall", "--quiet", "--yes", "setuptools", folder=folder)
    return folder


def test_clone_sets_itself_up_and_runs(clone: Path) -> None:
    make = needed("make", "make")
    first = run(make, ".venv/.dev", folder=clone)
    assert first.returncode == 0, first.stdout + first.stderr
    assert run(".venv/bin/token-broker", "--version", folder=clone).stdout == f"token-broker {__version__}\n"
    demo = run(make, "demo", "SECONDS=3", folder=clone)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "The workload never missed a token." in demo.stdout
    again = run(make, ".venv/.dev", folder=clone)
    assert "pip install" not in again.stdout
    assert run("git", "status", "--porcelain", folder=clone).stdout == ""
