"""A Pod made from the chart's templates, and run by podman in kubelet's place."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from image.stand_in import run
from image.workshop import BASE, ROOT, Container, Workshop
from key_volume import Volume
from programs.installed import helm, needed

Manifest = dict[str, Any]
#: The Pod's.
ADDRESS = "10.213.7.1"

CHART = """\
apiVersion: v2
name: reports
version: 0.1.0
dependencies: [{name: token-broker, version: "*"}]
"""
# The authorization server is a part of the Pod here, so that the Pod needs no network at all.
TEMPLATE = f"""\
apiVersion: v1
kind: Pod
metadata:
  name: {{{{ .Release.Name }}}}
  labels:
    {{{{- include "token-broker.podLabels" . | nindent 4 }}}}
  annotations:
    {{{{- include "token-broker.podAnnotations" . | nindent 4 }}}}
spec:
  restartPolicy: Never
  initContainers:
    {{{{- include "token-broker.sidecar" . | nindent 4 }}}}
  containers:
    - name: authorization-server
      image: registry.example.com/token-broker:{{{{ index .Subcharts "token-broker" "Chart" "AppVersion" }}}}
      args: [dev-server, --client, reports=/etc/registered/public.jwk]
      volumeMounts: [{{name: registered, mountPath: /etc/registered, readOnly: true}}]
    - name: app
      image: {BASE}
      command: [sleep, infinity]
      env:
        {{{{- include "token-broker.env" . | nindent 8 }}}}
    {{{{- range $user, $mounts := .Values.others }}}}
    - name: {{{{ $user }}}}
      image: {BASE}
      command: [sleep, infinity]
      securityContext: {{runAsUser: {{{{ int $mounts.uid }}}}, runAsGroup: 65532}}
      volumeMounts:
        {{{{- range $mounts.includes }}}}
        {{{{- include (printf "token-broker.%sMount" .) (dict "context" $) | nindent 8 }}}}
        {{{{- end }}}}
        {{{{- with $mounts.caller }}}}
        {{{{- include "token-broker.callerMount" (dict "context" $ "caller" .) | nindent 8 }}}}
        {{{{- end }}}}
    {{{{- end }}}}
  volumes:
    {{{{- include "token-broker.volumes" . | nindent 4 }}}}
    - {{name: registered, configMap: {{name: registered}}}}
"""


def render(folder: Path, release: str, values: Manifest, others: Manifest | None = None) -> dict[str, Manifest]:
    """What Helm makes of an application's chart with our dependency, by kind.

    `others` are containers beside the application, by name: {uid, includes, caller}, which mount what is shared.
    """
    chart = folder / "reports"
    shutil.copytree(ROOT / "helm/token-broker", chart / "charts/token-broker")
    (chart / "templates").mkdir()
    for name, content in {"Chart.yaml": CHART, "values.yaml": "", "templates/pod.yaml": TEMPLATE}.items():
        (chart / name).write_text(content)
    (folder / "values.yaml").write_text(yaml.safe_dump({"token-broker": values, "others": others or {}}))
    command = [str(helm(4)), "template", release, str(chart), "--skip-tests", "--values", f"{folder}/values.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {manifest["kind"]: manifest for manifest in yaml.safe_load_all(done.stdout)}


def for_podman(pod: Manifest, contents: dict[str, dict[str, bytes]], folder: Path) -> Manifest:
    """The Pod as podman 4.3 can run it; `contents` are the files of each Secret and ConfigMap by its name.

    podman knows no sidecars among init containers and no annotations as long as a checksum, and takes a port for one to
    publish. It would ask probes by starting curl in the container, on a timer of systemd. And it neither decodes
    Secrets nor lays volumes out with links, as kubelet does.
    """
    pod = deepcopy(pod)
    del pod["metadata"]["annotations"]
    spec = pod["spec"]
    sidecars = spec.pop("initContainers")
    assert [sidecar.pop("restartPolicy") for sidecar in sidecars] == ["Always"]
    spec["containers"] = sidecars + spec["containers"]
    for container in spec["containers"]:
        container["imagePullPolicy"] = "Never"
        for unknown in ("livenessProbe", "ports", "readinessProbe", "startupProbe"):
            container.pop(unknown, None)
    for volume in spec["volumes"]:
        path = folder / volume["name"]
        path.mkdir()
        _fill(path, volume, contents)
        volume["hostPath"] = {"path": str(path), "type": "Directory"}
    return pod


def _fill(path: Path, volume: Manifest, contents: dict[str, dict[str, bytes]]) -> None:
    """A volume's folder as kubelet makes it; what it is is taken out of `volume`."""
    if "emptyDir" in volume:
        del volume["emptyDir"]
        path.chmod(0o777)
        return
    source = volume.pop("secret", None) or volume.pop("configMap", None) or volume.pop("projected")
    files: dict[str, bytes] = {}
    for part in (one["secret"] for one in source["sources"]) if "sources" in source else (source,):
        entries = contents[part.get("secretName") or part["name"]]
        items = part.get("items") or [{"key": name, "path": name} for name in entries]
        files |= {item["path"]: entries[item["key"]] for item in items}
    Volume(path).write(**files)
    for file in (path / "..data").iterdir():
        file.chmod(source.get("defaultMode", 0o644))


@contextmanager
def played(workshop: Workshop, pod: Manifest, file: Path) -> Iterator[dict[str, Container]]:
    """The Pod's containers by their names; their network is one loopback, which also has `ADDRESS`."""
    name = pod["metadata"]["name"]
    file.write_text(yaml.safe_dump(pod))
    try:
        workshop.podman("play", "kube", "--network=none", file)
        containers = {one["name"]: Container(workshop, f"{name}-{one['name']}") for one in pod["spec"]["containers"]}
        # Of a network there is only what it takes to ask the Pod by an address that is not loopback.
        inside = ("nsenter", "--net", "--target", str(next(iter(containers.values())).pid))
        run(*inside, needed("ip", "iproute2"), "address", "add", f"{ADDRESS}/32", "dev", "lo")
        yield containers
    finally:
        workshop.podman("pod", "rm", "--force", "--time=0", name, check=False)
