"""compose.yaml, by podman-compose in the place of Docker's."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from broker.config import resolve
from image.workshop import IMAGE, PATIENCE, ROOT, Container, Workshop
from programs.installed import missing, needed

CONFIG = ROOT / "config/compose/config.yaml"
LOCAL = "localhost/token-broker:local"


@dataclass
class Project:
    broker: Container
    app: Container
    admin: str


def test_its_configuration_loads_and_would_not_need_dev() -> None:
    assert list(resolve.load(str(CONFIG), {}).tokens) == ["users-api"]


def podman_compose() -> str:
    """The environment's own, or else the machine's; that of Debian 12 does not know `network_mode: service:…`."""
    beside = str(Path(sys.executable).parent)
    path = shutil.which("podman-compose", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    if not path:
        missing("podman-compose is not installed; pip install -r requirements/dev.txt brings it")
    found = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(map(int, re.findall(r"\d+", found.partition("podman-compose version")[2])[:2]))
    if version < (1, 2):
        missing(f"podman-compose 1.2 or later is wanted, and {path} is an older one")
    return path


@pytest.fixture(scope="module")
def project(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    compose = podman_compose()
    for program, package in {"iptables": "iptables", "/usr/lib/podman/netavark": "netavark"}.items():
        needed(program, package)  # for a network of its own, which publishes a port
    described = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["broker"]
    assert (described["build"], described["image"]) == (".", LOCAL)
    podman = tmp_path_factory.mktemp("compose") / "podman"
    podman.write_text(f'#!/bin/sh\nexec {" ".join(workshop.command("podman"))} "$@"\n')
    podman.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**workshop.environment, "ADMIN_PORT": str(port)}
    name = f"compose-{uuid4().hex[:8]}"

    def run(*arguments: str, check: bool = True) -> None:
        command = [compose, "--podman-path", str(podman), "--project-name", name, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert not (check and done.returncode), done.stdout + done.stderr

    try:
        # Compose builds what is not there; that is the image of the other tests under another name.
        workshop.podman("tag", IMAGE, LOCAL)
        run("up", "--detach")
        broker, app = (Container(workshop, f"{name}_{service}_1") for service in ("broker", "app"))
        broker.event("token_refreshed")
        yield Project(broker, app, f"http://127.0.0.1:{port}")
    finally:
        run("down", "--timeout", "1", check=False)


def published(project: Project, path: str) -> str:
    with urllib.request.urlopen(project.admin + path, timeout=10) as answer:  # noqa: S310 - loopback
        text: str = answer.read().decode()
        return text


def test_the_application_has_tokens_without_a_key_from_anybody(project: Project) -> None:
    until = time.monotonic() + PATIENCE
    while "a Bearer token for okta.users.read good for 3" not in project.app.logs:
        assert time.monotonic() < until, project.app.logs
        time.sleep(0.2)


def test_its_health_check_passes_and_its_published_port_answers(project: Project) -> None:
    # Where there is no systemd podman does not start health checks by itself.
    assert not project.broker.workshop.podman("healthcheck", "run", project.broker.name, check=False).returncode
    assert published(project, "/readyz").startswith("ready")
    assert "token_broker_handouts_total" in published(project, "/metrics")


def test_both_containers_run_without_rights(project: Project) -> None:
    for container in (project.broker, project.app):
        status = Path(f"/proc/{container.pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
        assert "Uid:\t0" not in status
        assert container.inspect("{{.HostConfig.ReadonlyRootfs}}") == "true"
