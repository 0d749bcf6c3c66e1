"""Programs that others wrote and that tests start.

One that is missing skips the test, which says what to install; tests/conftest.py makes that a failure in CI.
"""

import fcntl
import functools
import hashlib
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Literal, NoReturn

import pytest

HERE = Path(__file__).parent
NODE_MODULES = HERE / "node_modules"

#: The releases inside the npm packages of package.json, by their sha256; the package's own hash is in the lock file.
RELEASES = {
    "helm-3/helm": "9e7a767efb3f9e334758ae066b4af355c01539663c7fffb30eed2b6213a4735e",  # 3.17.2
    "helm-4/helm": "aeb4645b9e6658948efa290e28dd23ae75a16fb73f137942f2294fd5c7fcb573",  # 4.2.3
    "helm-4/kubectl": "ebbd080e7c2e275093b55915722043257eb24004363e20acb3c4d71919f88336",  # 1.36.3
}


def missing(why: str) -> NoReturn:
    """Skip the test; `why` names the program and how to install it."""
    pytest.skip(why)


def needed(program: str, package: str) -> str:
    """The path of a program that is on the PATH once Debian's `package` is installed."""
    return shutil.which(program) or missing(f"{program} is not installed (Debian: apt-get install {package})")


def helm(major: Literal[3, 4]) -> Path:
    """The newest Helm of a major version that the lock file knows."""
    return _unpacked(f"helm-{major}", "helm")


def kubectl() -> Path:
    """For what it does without a cluster, `kubectl kustomize` above all."""
    return _unpacked("helm-4", "kubectl")


@functools.cache
def _unpacked(package: str, program: str) -> Path:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        missing(f"{program} is had for linux/amd64 only")
    npm_installed(HERE)
    carrier = NODE_MODULES / package
    path = carrier / program / program
    with (HERE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers come here at the same time
        if not path.exists():
            fresh = carrier / "fresh"
            with zipfile.ZipFile(carrier / "lib/layer.zip") as archive:
                archive.extract(f"{program}/{program}", fresh)
            unpacked = fresh / program / program
            _check(f"{package}/{program}", unpacked)
            unpacked.chmod(0o755)
            path.parent.mkdir(exist_ok=True)
            unpacked.rename(path)
    return path


def _check(name: str, file: Path) -> None:
    if hashlib.sha256(file.read_bytes()).hexdigest() != RELEASES[name]:
        pytest.fail(f"{name} is not the release that was expected")


def npm_installed(directory: Path) -> None:
    """Install what the lock file beside `directory`'s package.json names, once; skips the test where that cannot be."""
    if not (npm := shutil.which("npm")):
        missing("npm is not installed; it comes with Node.js (version 20 or later)")
    wanted, have = directory / "package-lock.json", directory / "node_modules/.package-lock.json"
    with wanted.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers come here at the same time
        if not have.exists() or have.stat().st_mtime < wanted.stat().st_mtime:
            run = subprocess.run(
                [npm, "ci", "--ignore-scripts"], cwd=directory, capture_output=True, text=True, check=False
            )
            if run.returncode:
                missing(f"npm ci in {directory} failed:\n{run.stderr}")
