# Kyverno itself takes too long to build for a test. docs/injection.md says what was tried with it.
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from helm.chart import CHART, REPOSITORY, WORKLOAD, of_kind, rendered, with_dependency
from helm.kyverno import mutations, refusal
from helm.pods import PODS
from helm.test_injector import KEY, REFUSED, SIDECAR, mounting, pod

Json = dict[str, Any]
FILE = REPOSITORY / "helm/kyverno/inject.yaml"
ANNOTATION = re.compile(r'\{\{ request\.object\.metadata\.annotations\."(?P<name>[^"]+)" \|\| \'(?P<default>.*)\' \}\}')


def policies() -> tuple[Json, Json]:
    mutating, validating = yaml.safe_load_all(FILE.read_text())
    return mutating, validating


def rule(name: str) -> Json:
    (found,) = [rule for policy in policies() for rule in policy["spec"]["rules"] if rule["name"] == name]
    return dict(found)


def injector() -> list[Json]:
    return rendered(CHART, {"injector": {"enabled": True}})


def texts(value: Any) -> list[str]:
    """All strings in it."""
    if isinstance(value, dict | list):
        return [text for part in (value.values() if isinstance(value, dict) else value) for text in texts(part)]
    return [value] if isinstance(value, str) else []


def with_defaults(value: Any) -> Any:
    """What Kyverno makes of it for a Pod without annotations."""
    if isinstance(value, dict):
        return {name: with_defaults(part) for name, part in value.items()}
    if isinstance(value, list):
        return [with_defaults(part) for part in value]
    return ANNOTATION.sub(r"\g<default>", value) if isinstance(value, str) else value


def test_the_container_and_volumes_are_those_that_charts_include(tmp_path: Path) -> None:
    said = {"key": {"existingSecret": "token-broker-key"}, "existingConfigMap": "token-broker-config"}
    chart = of_kind(rendered(with_dependency(WORKLOAD, tmp_path), {"token-broker": said}), "Deployment")
    included = chart["spec"]["template"]["spec"]
    spec = with_defaults(rule("sidecar")["mutate"]["patchStrategicMerge"]["spec"])
    (container,) = spec["initContainers"]
    assert container["env"].pop() == {"name": "TOKEN_BROKER_TOKENS", "value": ""}
    assert container == included["initContainers"][0]
    assert spec["volumes"] == included["volumes"]


def test_the_annotations_and_their_defaults_are_the_injectors() -> None:
    found = [match.groups() for text in texts(rule("sidecar")) for match in ANNOTATION.finditer(text)]
    assert sorted(found) == [
        ("token-broker.dev/config", "token-broker-config"),
        ("token-broker.dev/key-secret", "token-broker-key"),
        ("token-broker.dev/tokens", ""),
    ]


def test_what_is_refused_is_refused_with_the_words_of_the_injector() -> None:
    conditions = of_kind(injector(), "MutatingAdmissionPolicy")["spec"]["matchConditions"]
    validations = of_kind(injector(), "ValidatingAdmissionPolicy")["spec"]["validations"]
    said = {one["name"]: other["message"] for one, other in zip(conditions[1:], validations, strict=False)}
    for each in policies()[1]["spec"]["rules"]:
        assert each["validate"]["message"] == said[each["name"]]


def test_whatever_breaks_a_rule_is_refused_and_not_only_reported() -> None:
    for policy in policies():
        assert policy["spec"]["failurePolicy"] == "Fail"
        assert "validationFailureAction" not in policy["spec"]
    assert {each["validate"]["failureAction"] for each in policies()[1]["spec"]["rules"]} == {"Enforce"}


RULES = ("pod-network", "own-processes", "volumes-free", "mounts-free")


@pytest.mark.parametrize(("given", "sentence"), REFUSED, ids=[sentence[:40] for _, sentence in REFUSED])
def test_a_pod_is_refused_if_the_injector_refuses_it_for_what_kyverno_is_asked_about(
    given: Json, sentence: str
) -> None:
    said = refusal(policies(), given)
    ours = any(sentence in rule(name)["validate"]["message"] for name in RULES)
    assert (sentence in said if said else False) == ours


@pytest.mark.parametrize("volume", ["token-broker-key", "token-broker-key-okta", "token-broker-config"])
@pytest.mark.parametrize("containers", ["containers", "initContainers"])
def test_no_other_container_gets_a_volume_that_kyverno_is_to_bring(containers: str, volume: str) -> None:
    spec: Json = {containers: [mounting(volume)]}
    given = pod(**spec)
    assert mutations(policies(), given) == []
    assert refusal(policies(), given) == rule("mounts-free")["validate"]["message"]


def test_no_debug_container_gets_the_key_from_kyverno() -> None:
    given = pod(initContainers=[SIDECAR], volumes=[KEY])
    for volume, said in (("data", None), ("token-broker-key", rule("mounts-free")["validate"]["message"])):
        given["spec"]["ephemeralContainers"] = [mounting(volume, name="debugger")]
        assert refusal(policies(), given, "UPDATE") == said


@settings(max_examples=300, deadline=None)
@given(given=PODS)
def test_no_pod_that_is_refused_is_given_the_key_before(given: Json) -> None:
    changed = mutations(policies(), given)
    assert changed in ([], ["url-for-containers", "url-for-init-containers", "sidecar"])
    own = any(container["name"] == "token-broker" for container in given["spec"].get("initContainers", []))
    app = any(container["name"] == "token-broker" for container in given["spec"]["containers"])
    assert bool(changed) == (not own and not app and refusal(policies(), given) is None)


@pytest.mark.parametrize("policy", policies(), ids=lambda policy: str(policy["metadata"]["name"]))
def test_each_rule_is_about_pods_with_the_injectors_label(policy: Json) -> None:
    wanted = of_kind(injector(), "MutatingAdmissionPolicy")["spec"]["matchConstraints"]["objectSelector"]
    assert policy["metadata"]["annotations"] == {"pod-policies.kyverno.io/autogen-controllers": "none"}
    for each in policy["spec"]["rules"]:
        (match,) = each["match"]["any"]
        # Kyverno takes the addition of a debug container for an update of the Pod.
        operations = ["CREATE", "UPDATE"] if each["name"] == "mounts-free" else ["CREATE"]
        assert match == {"resources": {"kinds": ["Pod"], "operations": operations, "selector": wanted}}
