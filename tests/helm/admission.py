"""What the API server makes of a Pod under the chart's admission policies, told by cel-python in milliseconds.

A real API server says the same of the same Pods: tests/helm/test_apiserver.py.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import celpy
import jsonpatch
from celpy import celtypes
from celpy.adapter import json_to_cel

Json = dict[str, Any]
#: Object.spec.volumes{…} and JSONPatch{…}: Kubernetes' typed literals, which are maps to everybody else.
TYPED = re.compile(r"\b(?:Object(?:\.\w+)*|JSONPatch)\{")
MEMBER = re.compile(r"(?<=[{\s])(\w+):(?= )")

#: Made here, because it raises the recursion limit, which hypothesis does not like to see within a test.
ENVIRONMENT = celpy.Environment(annotations={"lists_range": celtypes.FunctionType})


class RefusedError(Exception):
    """A validating policy's message."""


def admitted(policies: Iterable[Json], pod: Json, operation: str = "CREATE") -> Json:
    """The Pod as it would be stored, before defaults. Raises RefusedError."""
    policies, pod = list(policies), _as_decoded(pod)
    for spec, _ in _bound(policies, "MutatingAdmissionPolicy"):
        if _concerns(spec, pod, operation, "pods"):
            pod = _mutated(spec, pod)
    _validate(policies, pod, operation, "pods")
    return pod


def debugged(policies: Iterable[Json], pod: Json, container: Json) -> None:
    """`kubectl debug` adds a container to a Pod that is stored. Raises RefusedError."""
    pod = {**pod, "spec": {**pod["spec"], "ephemeralContainers": [container]}}
    _validate(list(policies), pod, "UPDATE", "pods/ephemeralcontainers")


def _bound(policies: list[Json], kind: str) -> Iterator[tuple[Json, Json]]:
    """Specs of the policies of this kind, each with that of its binding; one without a binding does nothing."""
    specs = {found["metadata"]["name"]: found["spec"] for found in policies if found["kind"] == kind}
    for found in policies:
        if found["kind"] == f"{kind}Binding":
            yield specs[found["spec"]["policyName"]], found["spec"]


def _concerns(spec: Json, pod: Json, operation: str, resource: str) -> bool:
    """Whether a policy is asked at all."""
    constraints, request = spec["matchConstraints"], {"operation": operation}
    wanted: dict[str, str] = constraints["objectSelector"]["matchLabels"]
    labels: dict[str, str] = pod["metadata"].get("labels", {})
    return (
        any(operation in rule["operations"] and resource in rule["resources"] for rule in constraints["resourceRules"])
        and wanted.items() <= labels.items()
        and all(evaluated(one["expression"], object=pod, request=request) for one in spec.get("matchConditions", []))
    )


def _mutated(spec: Json, pod: Json) -> Json:
    variables = {one["name"]: evaluated(one["expression"], object=pod) for one in spec["variables"]}
    for mutation in spec["mutations"]:
        operations = evaluated(mutation["jsonPatch"]["expression"], object=pod, variables=variables)
        pod = jsonpatch.apply_patch(pod, operations)
    return pod


def _validate(policies: list[Json], pod: Json, operation: str, resource: str) -> None:
    for spec, binding in _bound(policies, "ValidatingAdmissionPolicy"):
        if "Deny" in binding["validationActions"] and _concerns(spec, pod, operation, resource):
            for validation in spec["validations"]:
                if not evaluated(validation["expression"], object=pod, request={"operation": operation}):
                    raise RefusedError(validation["message"])


def evaluated(expression: str, **variables: Json) -> Any:
    """The value of an expression, as JSON."""
    return _plain(_program(expression).evaluate({name: json_to_cel(value) for name, value in variables.items()}))


@functools.cache
def _program(expression: str) -> celpy.Runner:
    text = MEMBER.sub(r'"\1":', TYPED.sub("{", expression)).replace("lists.range(", "lists_range(")
    return ENVIRONMENT.program(ENVIRONMENT.compile(text), functions={"lists_range": _range})


def _range(size: celtypes.Value) -> celtypes.Value:
    assert isinstance(size, int)
    return celtypes.ListType([celtypes.IntType(index) for index in range(size)])


def _plain(value: Any) -> Any:
    match value:
        case celtypes.BoolType():  # an int, too
            return bool(value)
        case dict():
            return {str(name): _plain(member) for name, member in value.items()}
        case list():
            return [_plain(member) for member in value]
        case int():
            return int(value)
    return str(value)


def _as_decoded(value: Any) -> Any:
    """Without null and empty lists, which a Pod has lost once it has been read into its type."""
    if isinstance(value, Mapping):
        return {name: _as_decoded(member) for name, member in value.items() if member is not None and member != []}
    return [_as_decoded(member) for member in value] if isinstance(value, list) else deepcopy(value)
