import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from helm import admission
from helm.api_server import ApiServer, RefusedError, built, running
from helm.chart import CHART, WORKLOAD, Major, of_kind, rendered, with_dependency
from helm.pods import PODS
from helm.test_injector import REFUSED, mounting, pod, policies
from helm.test_kustomize import KUSTOMIZE, patched, workload

Json = dict[str, Any]
INJECTOR = ("--set", "injector.enabled=true")
NO_VOLUME = 'volumeMounts[0].name: Not found: "token-broker-key"'

#: A policy of somebody else.
ADDING = """
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: NAME}
spec:
  failurePolicy: Fail
  reinvocationPolicy: IfNeeded
  matchConstraints:
    objectSelector: {matchLabels: {changed: later}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  matchConditions:
    - {name: once, expression: 'object.spec.containers.all(c, c.name != "NAME")'}
  mutations:
    - patchType: JSONPatch
      jsonPatch:
        expression: >-
          [JSONPatch{op: "add", path: "/spec/containers/-", value: Object.spec.containers{name: "NAME", image: "a:1"}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: NAME}
spec: {policyName: NAME}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    program = built(tmp_path_factory.mktemp("program"))
    yield program
    program.unlink()  # 100 MB, and pytest keeps the folders of three runs


@pytest.fixture(scope="module")
def server(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with running(program, tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def injecting(server: ApiServer) -> ApiServer:
    """The chart is released in it as it stands, with Helm 4."""
    release(server, *INJECTOR)
    return server


def release(server: ApiServer, *values: str | Path) -> None:
    """Returns once both policies are in force, each of which the server takes note of by itself."""
    server.helm(4, "install", "platform", CHART, *values)
    for _ in range(600):
        with suppress(RefusedError):
            if "initContainers" in server.taken(pod())["spec"]:
                break
        time.sleep(0.1)
    server.until_refused(pod(hostNetwork=True))


def test_the_injected_container_is_stored_like_the_one_that_a_chart_included(
    injecting: ApiServer, tmp_path: Path
) -> None:
    chart = with_dependency(WORKLOAD, tmp_path)
    said = {"key": {"existingSecret": "a-key"}, "existingConfigMap": "a-config"}
    template = of_kind(rendered(chart, {"token-broker": said}), "Deployment")["spec"]["template"]
    included = injecting.taken({"metadata": {"name": "pod"}, "spec": template["spec"]})["spec"]
    injected = injecting.taken(pod({"key-secret": "a-key", "config": "a-config"}))["spec"]
    assert injected["initContainers"] == included["initContainers"]
    assert injected["volumes"] == included["volumes"]


@pytest.mark.parametrize(("given", "sentence"), REFUSED, ids=[sentence[:40] for _, sentence in REFUSED])
def test_the_api_server_refuses_with_our_sentence(injecting: ApiServer, given: Json, sentence: str) -> None:
    with pytest.raises(RefusedError, match="denied request") as raised:
        injecting.taken(given)
    assert sentence in str(raised.value)


@pytest.mark.parametrize("containers", ["containers", "initContainers"])
def test_no_container_gets_the_key_by_a_mount_for_which_only_the_injector_has_the_volume(
    injecting: ApiServer, containers: str
) -> None:
    spec: Json = {containers: [mounting("token-broker-key")]}
    with pytest.raises(RefusedError) as raised:
        injecting.taken(pod(**spec))
    assert NO_VOLUME in str(raised.value)


def test_a_debug_container_gets_into_an_injected_pod_and_not_at_the_key(injecting: ApiServer, tmp_path: Path) -> None:
    injecting.kubectl("create", "namespace", "debugged")
    given = json.dumps(pod(volumes=[{"name": "data", "emptyDir": {}}]))
    injecting.kubectl("create", "--namespace=debugged", "--filename=-", given=given)
    mounts = tmp_path / "mounts.json"
    debug = ("debug", "pod/pod", "--namespace=debugged", "--image=a:1", "--profile=general", f"--custom={mounts}")
    for volume in ("token-broker-key", "token-broker-config"):
        mounts.write_text(json.dumps({"volumeMounts": [{"name": volume, "mountPath": "/mnt"}]}))
        with pytest.raises(RefusedError, match="a container mounts a volume that is the broker's alone"):
            injecting.kubectl(*debug)
    mounts.write_text(json.dumps({"volumeMounts": [{"name": "data", "mountPath": "/mnt"}]}))
    injecting.kubectl(*debug)
    stored = json.loads(injecting.kubectl("get", "pod/pod", "--namespace=debugged", "--output=json"))["spec"]
    assert [mount["name"] for mount in stored["ephemeralContainers"][0]["volumeMounts"]] == ["data"]


@settings(
    max_examples=100, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(given=PODS)
def test_the_api_server_says_what_cel_python_said(injecting: ApiServer, given: Json) -> None:
    try:
        expected = admission.admitted(policies(), given)
    except admission.RefusedError as reason:
        with pytest.raises(RefusedError) as raised:
            injecting.taken(given)
        # Before it asks validating policies it looks whether every mount has its volume.
        said = str(raised.value)
        assert str(reason) in said or NO_VOLUME in said  # noqa: PT017 - both are refused, and with the same words
    else:
        stored, same = injecting.taken(given), injecting.taken(expected)
        assert stored["spec"] == same["spec"]
        assert stored["metadata"]["labels"] == same["metadata"]["labels"]


def test_whatever_the_values_hold_the_api_server_can_make_of_it(program: Path, tmp_path: Path) -> None:
    values = {
        "extraEnv": [
            {"name": "TEXT", "value": 'a "word", <b> \\ & \n\t é'},
            {"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
        ],
        "extraVolumes": [
            {"name": "csi", "csi": {"driver": "d", "readOnly": True, "volumeAttributes": {"a.b/c": "d"}}},
            {"name": "run", "emptyDir": {}},
            {"name": "ca", "projected": {"sources": [{"configMap": {"name": "ca", "optional": True}}]}},
        ],
        "extraVolumeMounts": [{"name": "csi", "mountPath": "/csi"}],
        "resources": {"requests": {"cpu": 1}},
        "readinessProbe": {"enabled": True},
        "openshift": True,
        "injector": {"enabled": True},
    }
    (tmp_path / "values.json").write_text(json.dumps(values))
    (tmp_path / "server").mkdir()
    with running(program, tmp_path / "server") as server:
        release(server, "--values", tmp_path / "values.json")
        stored, same = server.taken(pod()), server.taken(admission.admitted(policies(**values), pod()))
    assert stored["spec"] == same["spec"]


def test_a_policy_that_changes_the_pod_later_brings_no_second_sidecar(injecting: ApiServer) -> None:
    for name in ("a-policy", "z-policy"):  # one on each side of ours, whatever the order is by
        injecting.kubectl("apply", "--filename=-", given=ADDING.replace("NAME", name))
    given = pod()
    given["metadata"]["labels"]["changed"] = "later"
    stored: Json = {}
    for _ in range(600):
        stored = injecting.taken(given)["spec"]
        if len(stored["containers"]) == 3:
            break
        time.sleep(0.1)
    assert len(stored["containers"]) == 3
    assert [container["name"] for container in stored["initContainers"]] == ["token-broker"]
    assert len(stored["volumes"]) == 2
    assert [variable["name"] for variable in stored["containers"][0]["env"]] == ["TOKEN_BROKER_URL"]


def test_an_injected_pod_passes_pod_security_restricted(injecting: ApiServer) -> None:
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    injecting.kubectl("create", "namespace", "restricted")
    injecting.kubectl("label", "namespace", "restricted", "pod-security.kubernetes.io/enforce=restricted")
    containers = [{"name": "app", "image": "a:1", "securityContext": restricted}]
    stored = injecting.taken(pod(containers=containers), namespace="restricted")
    assert stored["spec"]["initContainers"][0]["name"] == "token-broker"


def test_pods_of_excluded_namespaces_are_not_touched(injecting: ApiServer) -> None:
    assert "initContainers" not in injecting.taken(pod(hostNetwork=True), namespace="kube-system")["spec"]


@pytest.mark.parametrize("major", [3, 4])
def test_helm_finds_out_by_itself_that_the_cluster_can_inject(injecting: ApiServer, major: Major) -> None:
    said = injecting.helm(major, "install", f"with-helm-{major}", CHART, *INJECTOR, "--dry-run=server")
    assert "MutatingAdmissionPolicyBinding" in said


def test_helm_refuses_to_release_the_injector_on_an_older_cluster(program: Path, tmp_path: Path) -> None:
    with (
        running(program, tmp_path, "--emulated-version=1.35") as older,
        pytest.raises(RefusedError, match=r"which Kubernetes has from 1\.36 on"),
    ):
        older.helm(4, "install", "platform", CHART, *INJECTOR)


def test_the_api_server_takes_the_demo_and_the_kustomize_example_in_each_field(server: ApiServer) -> None:
    restricted = "pod-security.kubernetes.io/enforce=restricted"
    for namespace in ("demo", "shop"):
        server.kubectl("create", "namespace", namespace)
    server.kubectl("label", "namespace", "demo", restricted)
    server.helm(4, "install", "demo", CHART, "--namespace", "demo", "--set", "demo.enabled=true")
    (made,) = json.loads(server.kubectl("get", "deployments", "--namespace", "demo", "--output=json"))["items"]
    assert server.taken({"metadata": {"name": "demo"}, "spec": made["spec"]["template"]["spec"]}, namespace="demo")
    server.kubectl("apply", "--dry-run=server", "--validate=strict", "--kustomize", KUSTOMIZE / "example")


def test_the_api_server_refuses_a_workload_that_kustomize_kept_from_the_key(server: ApiServer, tmp_path: Path) -> None:
    given = workload("Deployment", mounting("token-broker-key"))
    given["spec"]["selector"] = {"matchLabels": given["spec"]["template"]["metadata"]["labels"]}
    made = json.dumps(patched(tmp_path, given))
    with pytest.raises(RefusedError, match='Not found: "only-token-broker-may-mount-this"'):
        server.kubectl("apply", "--dry-run=server", "--filename=-", given=made)
