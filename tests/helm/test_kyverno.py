# The shape alone: Kyverno takes too long to build for a test. docs/injection.md says what was tried with it.
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.chart import CHART, REPOSITORY, WORKLOAD, of_kind, rendered, with_dependency

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
    validations = of_kind(injector(), "ValidatingAdmissionPolicy")["spec"]["validations"]
    ours = [rule["validate"]["message"] for rule in policies()[1]["spec"]["rules"]]
    assert ours == [validation["message"] for validation in validations[:2]]


@pytest.mark.parametrize("policy", policies(), ids=lambda policy: str(policy["metadata"]["name"]))
def test_each_rule_is_about_pods_with_the_injectors_label(policy: Json) -> None:
    wanted = of_kind(injector(), "MutatingAdmissionPolicy")["spec"]["matchConstraints"]["objectSelector"]
    assert policy["metadata"]["annotations"] == {"pod-policies.kyverno.io/autogen-controllers": "none"}
    for each in policy["spec"]["rules"]:
        (match,) = each["match"]["any"]
        assert match == {"resources": {"kinds": ["Pod"], "operations": ["CREATE"], "selector": wanted}}
