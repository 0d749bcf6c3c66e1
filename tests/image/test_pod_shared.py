"""A real Pod in which the broker tells the containers apart, and shares a socket and files with some of them."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from e2e.processes import write_key
from image.pod import Manifest, for_podman, played, render
from image.test_pod import VALUES
from image.workshop import Container, Workshop

CREATED = "/var/run/secrets/created-callers/exporter/secret"
SHARED: Manifest = {
    "unixSocket": {"enabled": True},
    "sinks": {"enabled": True},
    "callers": {"reports": {"existingSecret": "shop-callers", "key": "a"}, "exporter": {"create": True}},
    "config": {
        **VALUES["config"],
        "api": {
            "callers": {
                "reports": {"secret_file": "/var/run/secrets/callers/reports"},
                "exporter": {"secret_file": CREATED, "create": True},
                "worker": {"uid": 1001},
            }
        },
        "tokens": {
            **{name: {"scopes": ["okta.users.read"], "callers": [name]} for name in ("reports", "exporter", "worker")},
            "filed": {
                "scopes": ["okta.users.read"],
                "callers": ["anonymous"],
                "sinks": [{"path": "/run/tokens/filed", "mode": "0644"}],
            },
        },
    },
}
OTHERS: Manifest = {
    "reports": {"uid": 1000, "caller": "reports"},
    "exporter": {"uid": 1000, "caller": "exporter"},
    "worker": {"uid": 1001, "includes": ["socket"]},
    "neighbour": {"uid": 1002, "includes": ["socket"]},
    "reader": {"uid": 1003, "includes": ["sinks"]},
}
ASK = """\
import http.client, pathlib, socket, sys
token, secret = sys.argv[1], sys.argv[2]
connection = http.client.HTTPConnection("localhost", 7180, timeout=10)
if secret == "socket":
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("/run/token-broker/api.sock")
headers = {"Metadata": "true"}
if secret.startswith("/"):
    headers["Authorization"] = "Bearer " + pathlib.Path(secret).read_text().strip()
connection.request("GET", "/v1/tokens/" + token, headers=headers)
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""


@dataclass
class Pod:
    containers: dict[str, Container]

    def ask(self, container: str, token: str, how: str = "nothing") -> tuple[int, Any]:
        """Status and body; `how` is a file with a secret, or the socket."""
        answer = self.containers[container].ask("python3", "-c", ASK, token, how)
        assert answer.returncode == 0, answer.stderr
        status, _, body = answer.stdout.partition(" ")
        return int(status), json.loads(body)

    def run(self, container: str, *command: str) -> subprocess.CompletedProcess[str]:
        return self.containers[container].ask(*command)


@pytest.fixture(scope="module")
def pod(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    folder = tmp_path_factory.mktemp("pod")
    key = folder / "private-key.jwk"
    public = json.dumps(write_key(key))
    rendered = render(folder, f"reports-{uuid4().hex[:8]}", VALUES | SHARED, OTHERS)
    config = rendered["ConfigMap"]
    contents = {
        "reports-key": {key.name: key.read_bytes()},
        "registered": {"public.jwk": public.encode()},
        "shop-callers": {"a": uuid4().hex.encode(), "b": b"of nobody here, and long enough"},
        config["metadata"]["name"]: {name: text.encode() for name, text in config["data"].items()},
    }
    runnable = for_podman(rendered["Pod"], contents, folder)
    with played(workshop, runnable, folder / "pod.yaml") as containers:
        for token in SHARED["config"]["tokens"]:
            containers["token-broker"].event("token_refreshed", token=token)
        yield Pod(containers)


@pytest.mark.parametrize(("caller", "file"), [("reports", "/var/run/secrets/callers/reports"), ("exporter", CREATED)])
def test_a_caller_gets_its_token_with_the_secret_at_the_brokers_path(pod: Pod, caller: str, file: str) -> None:
    status, answer = pod.ask(caller, caller, file)
    assert (status, answer["token_type"]) == (200, "Bearer")
    assert pod.ask(caller, "worker", file)[0] == 403


def test_a_container_without_a_secret_gets_none_and_finds_none(pod: Pod) -> None:
    assert pod.ask("app", "reports")[0] == 401
    for other in ("app", "worker", "reader"):
        assert pod.run(other, "ls", "/var/run/secrets").returncode != 0
    assert pod.run("reports", "ls", "/var/run/secrets/callers").stdout == "reports\n"
    assert pod.run("exporter", "ls", "/var/run/secrets").stdout == "created-callers\n"


def test_a_user_is_known_on_the_socket_and_on_no_port(pod: Pod) -> None:
    assert pod.ask("worker", "worker", "socket")[0] == 200
    assert pod.ask("worker", "worker")[0] == 401
    assert pod.ask("neighbour", "worker", "socket")[0] == 401


def test_a_container_cannot_put_another_socket_in_the_place_of_the_brokers(pod: Pod) -> None:
    refused = pod.run("worker", "rm", "/run/token-broker/api.sock")
    assert "Read-only file system" in refused.stderr


def test_a_file_holds_the_token_that_is_handed_out_and_only_the_broker_writes_it(pod: Pod) -> None:
    status, answer = pod.ask("app", "filed")
    assert status == 200
    assert pod.run("reader", "cat", "/run/tokens/filed").stdout == answer["access_token"]
    assert "Read-only file system" in pod.run("reader", "touch", "/run/tokens/other").stderr
    assert pod.run("worker", "ls", "/run/tokens").returncode != 0


def test_what_is_shared_is_for_the_group_at_most(pod: Pod) -> None:
    modes = {"/run/token-broker/api.sock": "660", "/run/tokens/filed": "644", CREATED: "640"}
    for path, mode in modes.items():
        assert pod.run("token-broker", "stat", "--format=%a %u:%g", path).stdout == f"{mode} 65532:65532\n"


def test_no_other_container_has_the_key(pod: Pod) -> None:
    for container in OTHERS:
        assert pod.run(container, "ls", "/var/run/secrets/token-broker").returncode != 0
