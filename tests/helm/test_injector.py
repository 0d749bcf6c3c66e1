import json
from contextlib import nullcontext
from typing import Any

import kubernetes_validate
import pytest
from hypothesis import HealthCheck, assume, given, settings

from helm.admission import RefusedError, admitted, debugged
from helm.chart import CHART, REPOSITORY, WORKLOAD, Major, of_kind, refusal, rendered, with_dependency, workloads
from helm.pods import PODS
from helm.scenarios import ATTACHED, attached

Json = dict[str, Any]
V1 = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"
URL = {"name": "TOKEN_BROKER_URL", "value": "http://127.0.0.1:7180"}


def policies(**values: Any) -> list[Json]:
    injector = {"enabled": True, **values.pop("injector", {})}
    return rendered(CHART, {"injector": injector, **values})


def pod(annotations: Json | None = None, **spec: Any) -> Json:
    metadata: Json = {"name": "pod", "labels": {"token-broker.dev/inject": "true"}}
    if annotations is not None:
        metadata["annotations"] = {f"token-broker.dev/{name}": value for name, value in annotations.items()}
    containers = [{"name": "app", "image": "registry.example.com/app:1"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


def refused(given: Json, **values: Any) -> str:
    with pytest.raises(RefusedError) as raised:
        admitted(policies(**values), given)
    return str(raised.value)


def injected(given: Json, **values: Any) -> Json:
    return admitted(policies(**values), given)


def broker(stored: Json) -> Json:
    first: Json = stored["spec"]["initContainers"][0]
    assert first["name"] == "token-broker"
    return first


def variables(container: Json) -> list[str]:
    return [variable["name"] for variable in container.get("env", [])]


def test_nothing_is_injected_unless_it_is_switched_on() -> None:
    assert not [made for made in rendered(CHART) if "Policy" in made["kind"]]


@pytest.mark.parametrize("kubernetes", ["1.36", "1.37"])
def test_the_policies_are_what_kubernetes_knows_in_each_field(kubernetes: str) -> None:
    made = policies()
    assert len(made) == 4
    for policy in made:
        kubernetes_validate.validate(policy, kubernetes, strict=True)


def test_helm_3_renders_the_same_policies() -> None:
    values = {"injector": {"enabled": True}}
    assert rendered(CHART, values, major=3) == rendered(CHART, values, major=4)


@pytest.mark.parametrize("major", [3, 4])
def test_a_cluster_without_the_api_is_told_what_else_there_is(major: Major) -> None:
    said = refusal(CHART, {"injector": {"enabled": True}}, major=major, kubernetes="1.35")
    assert "MutatingAdmissionPolicy in admissionregistration.k8s.io/v1, which Kubernetes has from 1.36 on" in said
    assert "helm/kyverno or helm/kustomize" in said
    assert f"--api-versions {V1}" in said


def test_the_injected_container_is_the_one_that_charts_include(tmp_path: Any) -> None:
    said = {"key": {"existingSecret": "a-key"}, "existingConfigMap": "a-config"}
    chart = with_dependency(WORKLOAD, tmp_path)
    deployment = of_kind(rendered(chart, {"token-broker": said}), "Deployment")["spec"]["template"]
    stored = injected(pod({"key-secret": "a-key", "config": "a-config"}))
    assert broker(stored) == deployment["spec"]["initContainers"][0]
    assert stored["spec"]["volumes"] == deployment["spec"]["volumes"]
    assert stored["spec"]["containers"][0]["env"] == deployment["spec"]["containers"][0]["env"]
    assert deployment["metadata"]["labels"].items() & stored["metadata"]["labels"].items() == {
        ("token-broker.dev/sidecar", "true")
    }


def test_whatever_the_values_say_of_the_container_is_injected() -> None:
    values = {
        "extraEnv": [
            {"name": "TOKEN_BROKER_LOG_LEVEL", "value": 'a "word"\n'},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "extraVolumes": [
            {"name": "csi", "csi": {"driver": "d", "readOnly": True, "volumeAttributes": {"a.b/c": "d"}}},
            {"name": "ca", "projected": {"sources": [{"configMap": {"name": "ca", "optional": True}}]}},
            {"name": "run", "emptyDir": {}},
        ],
        "extraVolumeMounts": [{"name": "csi", "mountPath": "/csi"}, {"name": "run", "mountPath": "/run/token-broker"}],
        "resources": {"requests": {"cpu": 1}},
        "ports": {"api": 7280, "admin": 7281},
        "readinessProbe": {"enabled": True},
        "openshift": True,
        "image": {"digest": "sha256:" + "0" * 64},
    }
    stored = injected(pod(), **values)
    made = broker(stored)
    assert made["env"][-2:] == values["extraEnv"]
    assert stored["spec"]["volumes"][2:] == values["extraVolumes"]
    assert made["volumeMounts"][2:] == values["extraVolumeMounts"]
    assert made["resources"]["requests"]["cpu"] == "1"
    assert made["startupProbe"]["httpGet"]["port"] == 7281
    assert made["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert "runAsUser" not in made["securityContext"]
    assert stored["spec"]["containers"][0]["env"] == [{"name": "TOKEN_BROKER_URL", "value": "http://127.0.0.1:7280"}]


def test_no_number_of_failed_start_probes_restarts_an_injected_broker() -> None:
    assert broker(injected(pod()))["startupProbe"]["failureThreshold"] == 2**31 - 1


def test_annotations_name_the_secret_the_config_map_and_the_tokens() -> None:
    stored = injected(pod({"key-secret": "okta", "config": "ours", "tokens": "reports,users-api"}))
    key, config = stored["spec"]["volumes"]
    assert (key["secret"]["secretName"], config["configMap"]["name"]) == ("okta", "ours")
    assert broker(stored)["env"][-1] == {"name": "TOKEN_BROKER_TOKENS", "value": "reports,users-api"}


def test_a_pod_without_annotations_gets_the_names_of_the_release_and_all_tokens() -> None:
    stored = injected(pod(), injector={"defaultSecret": "k", "defaultConfigMap": "c"})
    key, config = stored["spec"]["volumes"]
    assert (key["secret"]["secretName"], config["configMap"]["name"]) == ("k", "c")
    assert "TOKEN_BROKER_TOKENS" not in variables(broker(stored))


def test_the_url_comes_first_so_that_other_variables_can_refer_to_it() -> None:
    containers = [{"name": "app", "image": "a:1", "env": [{"name": "TOKEN", "value": "$(TOKEN_BROKER_URL)/v1/token"}]}]
    stored = injected(pod(containers=containers))
    assert variables(stored["spec"]["containers"][0]) == ["TOKEN_BROKER_URL", "TOKEN"]


def test_a_pod_without_the_label_is_left_alone() -> None:
    given = pod()
    given["metadata"]["labels"] = {"token-broker.dev/inject": "false"}
    assert injected(given) == given


def test_a_pod_that_brings_its_own_sidecar_is_left_alone() -> None:
    given = pod(initContainers=[SIDECAR], volumes=[KEY])
    assert injected(given) == given


def test_a_pod_that_is_there_already_is_left_alone() -> None:
    for stored in (pod(), pod(hostNetwork=True)):
        assert admitted(policies(), stored, "UPDATE") == stored


@pytest.mark.parametrize("values", [{}, {"injector": {"failurePolicy": "Ignore"}}], ids=["Fail", "Ignore"])
def test_what_cannot_be_evaluated_refuses_a_pod_unless_the_values_say_otherwise(values: Json) -> None:
    wanted = values.get("injector", {}).get("failurePolicy", "Fail")
    for kind in ("MutatingAdmissionPolicy", "ValidatingAdmissionPolicy"):
        assert of_kind(policies(**values), kind)["spec"]["failurePolicy"] == wanted


def test_excluded_namespaces_are_named_in_both_policies() -> None:
    for policy in policies(injector={"excludedNamespaces": ["a"]}):
        if "matchConstraints" in policy["spec"]:
            (rule,) = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"]
            assert rule == {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["a"]}


def test_no_excluded_namespace_is_no_selector() -> None:
    for policy in policies(injector={"excludedNamespaces": []}):
        assert "namespaceSelector" not in policy["spec"].get("matchConstraints", {})


def mounting(volume: str, **container: Any) -> Json:
    mounts = [{"name": volume, "mountPath": "/mnt"}]
    return {"name": "app", "image": "registry.example.com/app:1", "volumeMounts": mounts, **container}


KEY: Json = {"name": "token-broker-key", "secret": {"secretName": "mine"}}
SIDECAR: Json = mounting("token-broker-key", name="token-broker", restartPolicy="Always")
PORTS = [{"containerPort": 7181}]
REFUSED = [
    (pod(hostNetwork=True), "hostNetwork: true would put the broker on the node's loopback"),
    (pod(shareProcessNamespace=True), "shareProcessNamespace and hostPID would let other containers look into"),
    (pod(hostPID=True), "shareProcessNamespace and hostPID would let other containers look into"),
    (pod(os={"name": "windows"}), "spec.os.name is windows"),
    (pod({"key-secret": ""}), "token-broker.dev/key-secret must be the name of a Secret"),
    (pod({"config": "Not_a_name"}), "token-broker.dev/config must be the name of a ConfigMap"),
    (pod({"tokens": "a,,b"}), "token-broker.dev/tokens must be names of tokens, with commas between them"),
    (pod(initContainers=[{"name": "a", "image": "a:1", "ports": PORTS}]), "another container has port 7180 or 7181"),
    (pod(containers=[{"name": "token-broker", "image": "a:1"}]), "a container of the Pod is called token-broker"),
    (pod(volumes=[{"name": "token-broker-config", "emptyDir": {}}]), "a volume of the Pod has a name that is kept"),
    (pod(volumes=[{"name": "token-broker-x", "emptyDir": {}}]), "has a name that is kept for the broker's"),
    (
        pod(containers=[mounting("token-broker-key")], initContainers=[SIDECAR], volumes=[KEY]),
        "a container mounts a volume that is the broker's alone (token-broker-key*, token-broker-config,",
    ),
    (
        pod(initContainers=[mounting("token-broker-key", name="first"), SIDECAR], volumes=[KEY]),
        "take that mount out, and let the container ask the broker for tokens",
    ),
    (pod(initContainers=[{"name": "token-broker", "image": "a:1"}]), "asks for a sidecar, and the Pod has none"),
]


@pytest.mark.parametrize(("given", "sentence"), REFUSED, ids=[sentence[:40] for _, sentence in REFUSED])
def test_a_pod_that_cannot_be_given_a_sidecar_is_refused_with_the_reason(given: Json, sentence: str) -> None:
    assert sentence in refused(given)


@pytest.mark.parametrize("volume", ["token-broker-key", "token-broker-config", "token-broker-key-okta"])
@pytest.mark.parametrize("containers", ["containers", "initContainers"])
def test_no_other_container_gets_a_volume_that_the_injector_is_to_bring(containers: str, volume: str) -> None:
    spec: Json = {containers: [mounting(volume)]}
    given = pod(**spec)
    assert "a container mounts a volume that is the broker's alone" in refused(given)


def test_no_debug_container_gets_the_key() -> None:
    made, stored = policies(), injected(pod())
    debugged(made, stored, mounting("data", name="debugger"))
    with pytest.raises(RefusedError, match="a container mounts a volume that is the broker's alone"):
        debugged(made, stored, mounting("token-broker-key", name="debugger"))


def test_a_debug_container_may_enter_a_pod_from_before_the_injector() -> None:
    debugged(policies(), pod(hostNetwork=True), mounting("data", name="debugger"))


@pytest.mark.parametrize("scenario", ATTACHED)
def test_the_volumes_that_a_chart_gives_the_broker_alone_are_those_that_nobody_else_may_mount(scenario: str) -> None:
    made = workloads(attached(ATTACHED[scenario]))
    spec = next(spec for found, spec in made if found["metadata"]["name"] == "app")
    mounted = {mount["name"] for mount in broker({"spec": spec}).get("volumeMounts", [])}
    alone = pytest.raises(RefusedError, match="a container mounts a volume that is the broker's alone")
    for volume in spec.get("volumes", []):
        if volume["name"].startswith("token-broker-"):
            with alone if volume["name"] in mounted and "emptyDir" not in volume else nullcontext():
                injected(pod(**{**spec, "containers": [mounting(volume["name"])]}))


EXTRA: Json = {
    "extraVolumes": [{"name": "csi-key", "csi": {"driver": "d"}}, {"name": "run", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "csi-key", "mountPath": "/key"}, {"name": "run", "mountPath": "/run/token-broker"}],
}


def test_a_key_that_comes_by_a_further_volume_of_the_release_is_the_brokers_alone() -> None:
    said = refused(pod(containers=[mounting("csi-key")]), **EXTRA)
    assert "(token-broker-key*, token-broker-config, token-broker-callers, csi-key)" in said


def test_an_empty_volume_of_the_release_is_shared_with_whoever_mounts_it() -> None:
    app = mounting("run")
    stored = injected(pod(containers=[app]), **EXTRA)
    assert stored["spec"]["containers"] == [{**app, "env": [URL]}]
    assert {"name": "run", "emptyDir": {}} in stored["spec"]["volumes"]


def test_a_volume_of_the_pod_may_not_be_called_like_one_of_the_release() -> None:
    said = refused(pod(volumes=[{"name": "run", "emptyDir": {}}]), **EXTRA)
    assert "is kept for the broker's (token-broker-*, csi-key, run)" in said


def test_with_the_policy_ignore_a_pod_may_start_without_a_sidecar_but_not_on_the_nodes_network() -> None:
    values = {"injector": {"failurePolicy": "Ignore"}}
    given = pod(initContainers=[{"name": "token-broker", "image": "a:1"}])
    assert injected(given, **values) == given
    assert "hostNetwork" in refused(pod(hostNetwork=True), **values)


def test_the_document_quotes_every_refusal() -> None:
    page = (REPOSITORY / "docs/injection.md").read_text()
    for validation in of_kind(policies(), "ValidatingAdmissionPolicy")["spec"]["validations"]:
        assert f"| {validation['message']} |" in page


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"tokens": ["a"]}, "tokens is for a chart that includes the sidecar"),
        ({"extraEnv": [{"name": "TOKEN_BROKER_TOKENS", "value": "a"}]}, "extraEnv sets TOKEN_BROKER_TOKENS"),
    ],
)
def test_tokens_for_every_injected_pod_are_refused(values: Json, sentence: str) -> None:
    assert sentence in refusal(CHART, {"injector": {"enabled": True}, **values})


@pytest.mark.parametrize("annotation", ["key-secret", "config"])
def test_a_name_with_which_nothing_can_be_called_is_refused(annotation: str) -> None:
    for name in ("", "A", "a_b", "a/b", "../a", "-a", "a-", ".a", "a ", " a", "a\nb", "$(A)", "a" * 254):
        assert f"token-broker.dev/{annotation} must be the name" in refused(pod({annotation: name})), name


@pytest.mark.parametrize("name", ["a", "0", "okta.key-1", "a" * 253])
def test_any_name_of_a_secret_and_of_a_config_map_is_taken(name: str) -> None:
    key, config = injected(pod({"key-secret": name, "config": name}))["spec"]["volumes"]
    assert (key["secret"]["secretName"], config["configMap"]["name"]) == (name, name)


def test_a_secret_of_the_release_keeps_its_name_whatever_that_is() -> None:
    volumes = [{"name": name, "secret": {"secretName": name}} for name in ("stand-in", "annotated-secret")]
    stored = injected(pod({"key-secret": "okta"}), extraVolumes=volumes)
    assert stored["spec"]["volumes"][2:] == volumes
    assert stored["spec"]["volumes"][0]["secret"]["secretName"] == "okta"


def test_nothing_but_annotations_and_defaults_names_the_secret_and_the_config_map() -> None:
    values = {"injector": {"defaultSecret": "d-secret", "defaultConfigMap": "d-config"}}
    text = json.dumps(policies(**values))
    assert text.count("secretName: variables.secret}") == text.count("configMap{name: variables.config}") == 1
    assert "stand-in" not in text


def test_the_key_and_configuration_of_the_release_itself_do_not_reach_other_pods() -> None:
    own = {"key": {"existingSecret": "mine"}, "existingConfigMap": "mine"}
    assert injected(pod(), **own) == injected(pod())


def stored_or_none(made: list[Json], given: Json) -> Json | None:
    try:
        return admitted(made, given)
    except RefusedError:
        return None


def without_url(container: Json) -> Json:
    env = [variable for variable in container.get("env", []) if variable != URL]
    return {**{name: member for name, member in container.items() if name != "env"}, **({"env": env} if env else {})}


def decoded(container: Json) -> Json:
    return {name: member for name, member in container.items() if member != []}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(given=PODS)
def test_any_pod_is_either_refused_with_a_reason_or_gains_a_sidecar_and_nothing_else(given: Json) -> None:
    made = policies()
    stored = stored_or_none(made, given)
    if stored is None:
        return
    kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", **stored}, "1.36", strict=True)
    assert admitted(made, stored) == stored
    own = given["spec"].get("initContainers", [])
    assume(not any(container["name"] == "token-broker" for container in own))
    sidecar_, *others = stored["spec"]["initContainers"]
    assert sidecar_ == {**broker(injected(pod())), "env": sidecar_["env"]}
    for before, after in zip(
        [*own, *given["spec"]["containers"]], [*others, *stored["spec"]["containers"]], strict=True
    ):
        assert without_url(after) == without_url(decoded(before))
        assert sorted(variables(after)) == sorted({*variables(before), "TOKEN_BROKER_URL"})
        assert not [mount for mount in after.get("volumeMounts", []) if mount["name"].startswith("token-broker-")]
    assert stored["spec"]["volumes"][:-2] == given["spec"].get("volumes", [])
    assert [volume["name"] for volume in stored["spec"]["volumes"][-2:]] == ["token-broker-key", "token-broker-config"]
    assert stored["metadata"] == {
        **given["metadata"],
        "labels": {**given["metadata"]["labels"], "token-broker.dev/sidecar": "true"},
    }
