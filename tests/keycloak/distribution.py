"""The Keycloak that pom.xml pins: fetched by Maven, checked, unpacked once into `.cache` beside this file."""

import contextlib
import fcntl
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from programs.installed import missing, needed

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
POM = HERE / "pom.xml"
#: A file in the folder of a server that has started before.
PROOF = "has-started"
#: Seconds for 170 MB from wherever this machine has its Maven artifacts.
PATIENCE = 200.0


def pinned(name: str) -> str:
    """A property of pom.xml, `version` or `sha256`."""
    found = ET.parse(POM).findtext(f"properties/keycloak.{name}")  # noqa: S314 - a file of this repository
    assert found
    return found


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """No other test worker is in here at the same time."""
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def installed() -> Path:
    """The folder of the server; skips the test where it cannot be had. Call it `alone`."""
    version, sha256 = pinned("version"), pinned("sha256")
    home = CACHE / f"{version}-{sha256[:12]}"
    if not (home / PROOF).exists():
        shutil.rmtree(home, ignore_errors=True)
        mvn = needed("mvn", "maven")
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            archive = _fetched(mvn, Path(folder))
            if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != sha256:
                pytest.fail(f"Keycloak {version} is not the release that {POM} pins: its sha256 is {found}")
            with tarfile.open(archive) as packed:
                packed.extractall(folder, filter="data")
            (Path(folder) / f"keycloak-{version}").rename(home)
    return home


def proven(home: Path) -> None:
    """Say that this server has started: one whose first start was cut short is unpacked anew."""
    (home / PROOF).touch()


def _fetched(mvn: str, folder: Path) -> Path:
    command = [mvn, "-B", "-q", "-f", str(POM), "dependency:copy", f"-DoutputDirectory={folder}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if run.returncode:
        missing(f"Maven could not fetch Keycloak:\n{run.stdout}{run.stderr}")
    return folder / "keycloak.tar.gz"
