"""What the API server makes of a Pod under the chart's admission policies, told by cel-python in milliseconds.

A real API server says the same of the same Pods: tests/helm/test_apiserver.py.
"""

import functools
import re
from collections.abc import Iterable, Mapping
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


def admitted(policies: Iterable[Json], pod: Json) -> Json:
    """The Pod as it would be stored, before defaults. Raises RefusedError."""
    mutating, validating = (
        next(policy["spec"] for policy in policies if policy["kind"] == kind)
        for kind in ("MutatingAdmissionPolicy", "ValidatingAdmissionPolicy")
    )
    pod = _as_decoded(pod)
    if not _selected(mutating, pod):
        return pod
    pod = mutated(mutating, pod)
    for validation in validating["validations"]:
        if not evaluated(validation["expression"], object=pod):
            raise RefusedError(validation["message"])
    return pod


def mutated(policy: Json, pod: Json) -> Json:
    """The Pod after the mutations of a MutatingAdmissionPolicy's spec; the same one where a condition does not hold."""
    if not all(evaluated(condition["expression"], object=pod) for condition in policy["matchConditions"]):
        return pod
    variables = {one["name"]: evaluated(one["expression"], object=pod) for one in policy["variables"]}
    for mutation in policy["mutations"]:
        operations = evaluated(mutation["jsonPatch"]["expression"], object=pod, variables=variables)
        pod = jsonpatch.apply_patch(pod, operations)
    return pod


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


def _selected(policy: Json, pod: Json) -> bool:
    wanted: dict[str, str] = policy["matchConstraints"]["objectSelector"]["matchLabels"]
    labels: dict[str, str] = pod["metadata"].get("labels", {})
    return wanted.items() <= labels.items()
