"""A real Kubernetes API server on loopback, from the Go modules that Kubernetes publishes: no node, no controller."""

import faulthandler
import http.client
import json
import os
import secrets
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from programs.installed import helm, kubectl, missing, needed

Json = dict[str, Any]
SOURCE = Path(__file__).parent / "apiserver"
KUBERNETES = "k8s.io/kubernetes"
PATIENCE = 60.0


class RefusedError(Exception):
    """The API server's words about an object that it did not take."""


@dataclass(frozen=True)
class ApiServer:
    """A running one; reached by kubectl and Helm through `kubeconfig`."""

    port: int
    token: str
    certificate: Path
    kubeconfig: Path

    def answer(self, method: str, path: str, body: Json | None = None) -> tuple[int, str]:
        """Status and text. Raises OSError while nothing listens."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE, context=context)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def taken(self, pod: Json, namespace: str = "default") -> Json:
        """The Pod as it would be stored, with defaults. Raises RefusedError."""
        path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All&fieldValidation=Strict"
        status, text = self.answer("POST", path, {"apiVersion": "v1", "kind": "Pod", **pod})
        said: Json = json.loads(text)
        if status != http.client.CREATED:
            raise RefusedError(said["message"])
        return said

    def until_refused(self, pod: Json) -> None:
        """Returns once a policy refuses this Pod; the server takes note of a new one in a second or so."""
        for _ in range(int(PATIENCE * 10)):
            try:
                self.taken(pod)
            except RefusedError:
                return
            time.sleep(0.1)
        raise AssertionError("no policy came into force")

    def kubectl(self, *arguments: str | Path, given: str | None = None) -> str:
        """What kubectl prints. Raises RefusedError."""
        return self._run(kubectl(), *arguments, given=given)

    def helm(self, major: Literal[3, 4], *arguments: str | Path) -> str:
        """What Helm prints. Raises RefusedError."""
        return self._run(helm(major), *arguments)

    def _run(self, program: Path, *arguments: str | Path, given: str | None = None) -> str:
        # At home in the folder of the server, which is where both keep what they find out about it.
        env = {"PATH": os.environ["PATH"], "HOME": str(self.kubeconfig.parent), "KUBECONFIG": str(self.kubeconfig)}
        command: list[str | Path] = [program, *arguments]
        done = subprocess.run(command, input=given, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RefusedError(done.stderr)
        return done.stdout


def built(folder: Path) -> Path:
    """The program. The first time takes minutes; then Go's cache has nearly all of it."""
    faulthandler.cancel_dump_traceback_later()  # which would end the tests after five of them
    go = needed("go", "golang")
    program = folder / "kube-apiserver"
    listed = subprocess.run(
        [go, "list", "-m", "-f", "{{.Version}}", KUBERNETES], cwd=SOURCE, capture_output=True, text=True, check=False
    )
    stamp = f"-s -w -X k8s.io/component-base/version.gitVersion={listed.stdout.strip()}"
    build: list[str | Path] = [go, "build", "-trimpath", "-ldflags", stamp, "-o", program, "."]
    done = subprocess.run(build, cwd=SOURCE, capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"go build in {SOURCE} failed:\n{done.stderr}")
    return program


@contextmanager
def running(program: Path, folder: Path, *flags: str) -> Iterator[ApiServer]:
    """The server, once it is ready; `folder` is empty and its own."""
    (folder / "key.pem").write_bytes(_key())
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    server = ApiServer(port, token, folder / "certificates/apiserver.crt", folder / "kubeconfig")
    server.kubeconfig.touch(0o600)  # Helm warns of anything else
    server.kubeconfig.write_text(_kubeconfig(server))
    command: list[str | Path] = [program, folder / "etcd", *flags, *_flags(folder, port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]})
    try:
        _wait(server, process, folder / "log")
        yield server
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _flags(folder: Path, port: int) -> list[str]:
    return [
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder}/certificates",
        f"--token-auth-file={folder}/tokens.csv",
        "--service-account-issuer=https://kubernetes.test",
        f"--service-account-key-file={folder}/key.pem",
        f"--service-account-signing-key-file={folder}/key.pem",
        "--disable-admission-plugins=ServiceAccount",  # it waits for accounts that a controller would make
    ]


def _wait(server: ApiServer, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(int(PATIENCE * 10)):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if server.certificate.exists() and server.answer("GET", "/readyz")[0] == http.client.OK:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])


def _key() -> bytes:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _kubeconfig(server: ApiServer) -> str:
    cluster = {"server": f"https://127.0.0.1:{server.port}", "certificate-authority": str(server.certificate)}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": server.token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        }
    )
