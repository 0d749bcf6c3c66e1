"""What is in the image, and what is not."""

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker import __version__
from image.workshop import IMAGE, REVISION, ROOT, Workshop

CODE = ("opt/venv/lib", "usr/local/lib")
UNCHECKED_HASH = 0b01
#: Where somebody could have put something. GnuTLS, in Debian's part, has a key in it to test itself with.
PLACES = ("app", "etc", "home", "opt", "root", "run", "src", "srv", "tmp", "usr/local", "var")
PRIVATE_KEY = re.compile(rb'PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}|"d"\s*:\s*"[A-Za-z0-9_-]{40}')


@pytest.fixture(scope="module")
def files(workshop: Workshop) -> Iterator[Path]:
    with workshop.mounted(IMAGE) as path:
        yield path


def test_every_python_file_has_bytecode_that_needs_no_look_at_its_source(files: Path) -> None:
    sources = [source for folder in CODE for source in (files / folder).rglob("*.py")]
    assert len(sources) > 1000
    for source in sources:
        bytecode = next(source.parent.glob(f"__pycache__/{source.stem}.cpython-3??.pyc"), None)
        assert bytecode, f"{source} is compiled at each start"
        assert struct.unpack_from("<I", bytecode.read_bytes(), 4) == (UNCHECKED_HASH,)  # PEP 552


def test_there_are_no_tests_and_no_pip(files: Path) -> None:
    unwanted = {"test", "tests", "pip", "setuptools", "ensurepip", "hatchling"}
    paths = [path for folder in CODE for path in (files / folder).rglob("*")]
    assert [path for path in paths if path.name.partition("-")[0] in unwanted] == []
    assert [path for path in (files / "opt/venv/bin").iterdir() if path.name.startswith("pip")] == []


def test_there_is_no_key(files: Path) -> None:
    paths = [path for place in PLACES for path in (files / place).rglob("*")]
    looked_at = [path for path in paths if path.is_file() and not path.is_symlink()]
    assert len(looked_at) > 3000
    assert [path for path in looked_at if PRIVATE_KEY.search(path.read_bytes())] == []


def test_uvloop_stays_outside_and_the_locked_versions_are_inside(files: Path) -> None:
    site = next((files / "opt/venv/lib").glob("python3.*")) / "site-packages"
    installed = {path.name.removesuffix(".dist-info") for path in site.glob("*.dist-info")}
    locked = set(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements/runtime.txt").read_text(), re.MULTILINE))
    wanted = {f"{name.replace('-', '_')}-{version}" for name, version in locked}
    assert f"token_broker-{__version__}" in installed
    # Some that are locked are for older Pythons or other platforms.
    assert len(installed) > 20
    assert installed - {f"token_broker-{__version__}"} <= wanted
    assert not any(name.startswith("uvloop") for name in installed)


def test_everything_of_ours_belongs_to_root_and_is_readable_by_all(files: Path) -> None:
    for path in (files / "opt/venv").rglob("*"):
        status = path.lstat()
        assert (status.st_uid, status.st_gid) == (0, 0), path
        if not path.is_symlink():
            assert status.st_mode & 0o022 == 0, path
            assert status.st_mode & 0o004, path


def test_it_says_what_it_is_and_how_it_runs(workshop: Workshop) -> None:
    (image,) = json.loads(workshop.podman("image", "inspect", IMAGE).stdout)
    config = image["Config"]
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert labels["title"] == "token-broker"
    assert "private_key_jwt" in labels["description"]
    assert labels["licenses"] == "Apache-2.0"
    assert (labels["version"], labels["revision"]) == (__version__, REVISION)
    assert config["User"] == "65532:65532"
    assert (config["Entrypoint"], config["Cmd"]) == (["token-broker"], ["run"])
    assert list(config["ExposedPorts"]) == ["7181/tcp"]
    assert config["StopSignal"] == "SIGTERM"
    assert image.get("HealthCheck") is None


def test_nothing_but_what_the_build_needs_reaches_the_builder(workshop: Workshop, tmp_path: Path) -> None:
    everything = tmp_path / "Dockerfile"
    everything.write_text("FROM scratch\nCOPY . /\n")
    workshop.build(ROOT, "context", "--file", everything)
    with workshop.mounted("context") as path:
        sent = {str(found.relative_to(path)) for found in path.rglob("*") if found.is_file()}
    lists = {"LICENSE", "README.md", "pyproject.toml", "requirements/build.txt", "requirements/runtime.txt"}
    code = (found for found in (ROOT / "broker").rglob("*") if found.is_file() and found.parent.name != "__pycache__")
    assert sent == lists | {str(found.relative_to(ROOT)) for found in code}
