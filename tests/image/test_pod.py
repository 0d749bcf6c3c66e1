"""A real Pod: the broker's container as the chart renders it, and an application beside it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from e2e.processes import write_key
from image.pod import ADDRESS, Manifest, for_podman, played, render
from image.workshop import Container, Workshop

VALUES: Manifest = {
    "key": {"existingSecret": "reports-key"},
    "config": {
        "clients": {
            "okta": {
                "provider": "okta",
                "issuer": "http://127.0.0.1:8080",
                "token_endpoint": "http://127.0.0.1:8080/oauth2/v1/token",
                "client_id": "reports",
                "private_key": {"file": "/var/run/secrets/token-broker/private-key.jwk"},
            }
        },
        "tokens": {"users-api": {"scopes": ["okta.users.read"]}},
    },
}
GET = """\
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Metadata": "true"})
try:
    print(urllib.request.urlopen(request, timeout=10).read().decode())
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
"""
# Files, wherever they are, with a text in them; /proc has its own question below.
SEARCH = """\
import os, sys
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/sys", "/proc")]
    for file in files:
        path = os.path.join(folder, file)
        if os.path.isfile(path) and os.access(path, os.R_OK) and sys.argv[1].encode() in open(path, "rb").read():
            print(path)
"""
PROCESSES = """\
import pathlib
for process in pathlib.Path("/proc").glob("[0-9]*"):
    print((process / "cmdline").read_text().replace(chr(0), " "), (process / "environ").read_text())
"""


@dataclass
class Pod:
    rendered: Manifest
    containers: dict[str, Container]
    key: dict[str, str]

    @property
    def app(self) -> Container:
        return self.containers["app"]

    @property
    def broker(self) -> Container:
        return self.containers["token-broker"]


@pytest.fixture(scope="module")
def pod(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    folder = tmp_path_factory.mktemp("pod")
    key = folder / "private-key.jwk"
    public = json.dumps(write_key(key))
    rendered = render(folder, f"reports-{uuid4().hex[:8]}", VALUES)
    config = rendered["ConfigMap"]
    contents = {
        "reports-key": {key.name: key.read_bytes()},
        "registered": {"public.jwk": public.encode()},
        config["metadata"]["name"]: {name: text.encode() for name, text in config["data"].items()},
    }
    runnable = for_podman(rendered["Pod"], contents, folder)
    with played(workshop, runnable, folder / "pod.yaml") as containers:
        containers["token-broker"].event("token_refreshed")
        yield Pod(rendered["Pod"], containers, json.loads(key.read_text()))


def ask(container: Container, url: str) -> str:
    answer = container.ask("python3", "-c", GET, url)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_the_application_gets_a_token_over_the_loopback_that_they_share(pod: Pod) -> None:
    url = pod.app.ask("printenv", "TOKEN_BROKER_URL").stdout.strip()
    answer = json.loads(ask(pod.app, f"{url}/v1/token"))
    assert (answer["token_type"], answer["scope"]) == ("Bearer", "okta.users.read")
    assert answer["access_token"] == pod.broker.ask("token-broker", "token").stdout.strip()


def test_its_signature_was_checked_against_the_registered_key(pod: Pod) -> None:
    requests = json.loads(ask(pod.app, "http://127.0.0.1:8080/dev/requests"))
    assert pod.key["kid"] in json.dumps(requests)
    assert "NO SIGNATURE IS CHECKED" not in pod.containers["authorization-server"].logs


def test_the_probes_of_the_chart_are_answered_on_the_address_of_the_pod(pod: Pod) -> None:
    (sidecar,) = pod.rendered["spec"]["initContainers"]
    for probe in ("startupProbe", "livenessProbe"):
        request = sidecar[probe]["httpGet"]
        ask(pod.app, f"http://{ADDRESS}:{request['port']}{request['path']}")


def test_nobody_gets_a_token_on_the_address_of_the_pod(pod: Pod) -> None:
    refused = pod.app.ask("python3", "-c", GET, f"http://{ADDRESS}:7180/v1/token")
    assert "Connection refused" in refused.stderr


def test_the_application_cannot_read_the_key_even_as_root(pod: Pod) -> None:
    secret = pod.key["d"]
    assert "/token-broker/" in pod.broker.ask("python", "-c", SEARCH, secret).stdout
    found = pod.app.ask("python3", "-c", SEARCH, secret)
    assert (found.returncode, found.stdout) == (0, "")
    assert pod.app.ask("id", "-u").stdout == "0\n"
    assert pod.app.ask("ls", "/var/run/secrets").returncode != 0


def test_the_application_sees_no_process_of_the_broker(pod: Pod) -> None:
    seen = pod.app.ask("python3", "-c", PROCESSES)
    assert seen.returncode == 0, seen.stderr
    assert "sleep infinity" in seen.stdout
    assert "token-broker run" not in seen.stdout
    assert pod.key["d"] not in seen.stdout


def test_the_broker_has_no_rights_and_the_limits_of_the_chart(pod: Pod) -> None:
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pod.broker.pid}/status").read_text().splitlines())
    assert status["Uid"].split() == status["Gid"].split() == ["65532"] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    refused = pod.broker.ask("touch", "/tmp/file")  # noqa: S108 - the container's
    assert "Read-only file system" in refused.stderr
    assert pod.broker.inspect("{{.HostConfig.Memory}}") == str(128 << 20)
