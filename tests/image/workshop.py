"""buildah and podman from Debian, with a storage of their own and no registry."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from broker import __version__
from image import stand_in
from programs.installed import missing, needed

ROOT = Path(__file__).parents[2]
BASE = "python:3.13-slim-bookworm"
IMAGE = f"registry.example.com/token-broker:{__version__}"
REVISION = "0123456789abcdef0123456789abcdef01234567"
#: As Pod Security's "restricted" has it, with a read-only root and no network but loopback. podman would lay writable
#: file systems over /tmp, /run and /var/tmp, which Kubernetes does not.
RESTRICTED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--network=none",
)
PATIENCE = 60.0

# crun refuses hybrid cgroups and wants to raise limits, neither of which every machine permits.
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
[network]
network_backend = "netavark"
"""
REGISTRIES_CONF = 'unqualified-search-registries = []\nshort-name-mode = "disabled"\n'


class Workshop:
    """Images and containers in `folder`."""

    def __init__(self, folder: Path) -> None:
        programs = {"buildah": "buildah", "podman": "podman", "runc": "runc", "catatonit": "catatonit"}
        for program, package in programs.items():
            needed(program, package)
        if os.geteuid():
            missing("containers without a daemon need root here")
        self.folder = folder
        folder.mkdir(exist_ok=True)
        own_networks = f'network_config_dir = "{folder}/networks"\n'
        settings = {"CONTAINERS_CONF": CONTAINERS_CONF + own_networks, "CONTAINERS_REGISTRIES_CONF": REGISTRIES_CONF}
        self.environment = dict(os.environ)
        for variable, content in settings.items():
            (folder / variable).write_text(content)
            self.environment[variable] = str(folder / variable)

    def podman(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self._run("podman", arguments, check=check)

    def buildah(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self._run("buildah", arguments, check=check)

    def command(self, program: str) -> list[str]:
        """How to start `program`, podman or buildah, so that it works here."""
        storage = ["--storage-driver", "overlay", "--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run"]
        return [program, *storage]

    def _run(self, program: str, arguments: tuple[str | Path, ...], *, check: bool) -> subprocess.CompletedProcess[str]:
        command = [*self.command(program), *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert not (check and done.returncode), f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}"
        return done

    def has(self, image: str) -> bool:
        return not self.podman("image", "exists", image, check=False).returncode

    def import_base(self) -> None:
        path = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.podman("import", "--change", f"ENV PATH={path}", "--change", 'CMD ["python3"]', stand_in.tarball(), BASE)

    def build(self, context: Path, tag: str, *options: str | Path) -> None:
        self.buildah("build", "--isolation=chroot", "--pull=never", *options, "--tag", tag, context)

    def build_product(self) -> None:
        arguments = (f"VERSION={__version__}", f"REVISION={REVISION}")
        self.build(ROOT, IMAGE, *(f"--build-arg={argument}" for argument in arguments))

    def run(self, *options_image_command: str | Path) -> subprocess.CompletedProcess[str]:
        """What a container that ends by itself printed, and its exit code."""
        return self.podman("run", "--rm", *options_image_command, check=False)

    @contextmanager
    def started(self, *options_image_command: str | Path) -> Iterator["Container"]:
        """A container that runs; removed afterwards."""
        name = f"c-{uuid4().hex[:12]}"
        try:
            self.podman("run", "--detach", "--name", name, *options_image_command)
            yield Container(self, name)
        finally:
            self.podman("rm", "--force", "--time=0", name, check=False)

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """The file system of an image, to look at."""
        try:
            yield Path(self.podman("image", "mount", image).stdout.strip())
        finally:
            self.podman("image", "umount", image)

    def remove(self) -> None:
        """Everything; what runs is ended, and what a build that failed has left mounted is not any more."""
        self.podman("rm", "--all", "--force", "--time=0", check=False)
        self.buildah("rm", "--all", check=False)
        shutil.rmtree(self.folder)


@dataclass
class Container:
    """One that was started, by its name."""

    workshop: Workshop
    name: str

    @property
    def pid(self) -> int:
        """Of its PID 1, as this machine counts."""
        return int(self.inspect("{{.State.Pid}}"))

    @property
    def logs(self) -> str:
        """Both of its streams."""
        done = self.workshop.podman("logs", self.name)
        return done.stdout + done.stderr

    def inspect(self, form: str) -> str:
        return self.workshop.podman("inspect", "--format", form, self.name).stdout.strip()

    def ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        """What a further command in the container printed, and its exit code."""
        return self.workshop.podman("exec", self.name, *command, check=False)

    def event(self, name: str, **expected: object) -> dict[str, Any]:
        """The first line of the broker's log about this event with these fields, awaited."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            running = self.inspect("{{.State.Running}}") == "true"
            for line in self.logs.splitlines():
                event: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
                if event.get("event") == name and expected.items() <= event.items():
                    return event
            assert running, f"it ended before {name}: {self.logs}"
            time.sleep(0.1)
        raise AssertionError(f"no {name}: {self.logs}")

    def ended(self) -> int:
        """Its exit code, awaited."""
        return int(self.workshop.podman("wait", self.name).stdout)
