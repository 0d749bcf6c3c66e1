"""What Kyverno makes of a Pod under helm/kyverno/inject.yaml: so much of its rules as that file uses.

Its own command line says the same of such Pods: docs/injection.md tells with which versions that was tried.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import jmespath  # type: ignore[import-untyped]  # it ships no types

Json = dict[str, Any]
VARIABLE = re.compile(r"\{\{ (.*) \}\}", re.DOTALL)
#: An operator's word for how many of the keys, and whether they are to be among the values.
OPERATORS = {"AnyIn": (any, True), "AnyNotIn": (any, False), "AllNotIn": (all, False)}


def refusal(policies: Iterable[Json], pod: Json, operation: str = "CREATE") -> str | None:
    """The message of the first rule that refuses the Pod."""
    for rule in _asked(policies, pod, operation):
        if said := rule.get("validate"):
            denied = any(_holds(one, pod) for one in said.get("deny", {}).get("conditions", {}).get("any", []))
            if said["failureAction"] == "Enforce" and (denied or not _fits(said.get("pattern", {}), pod)):
                return str(said["message"])
    return None


def mutations(policies: Iterable[Json], pod: Json) -> list[str]:
    """Names of the rules that change the Pod when it is created."""
    return [rule["name"] for rule in _asked(policies, pod, "CREATE") if "mutate" in rule]


def _asked(policies: Iterable[Json], pod: Json, operation: str) -> Iterable[Json]:
    labels = pod["metadata"].get("labels", {}).items()
    for rule in (rule for policy in policies for rule in policy["spec"]["rules"]):
        matches = [match["resources"] for match in rule["match"]["any"]]
        labelled = [one for one in matches if one["selector"]["matchLabels"].items() <= labels]
        if any(operation in one["operations"] for one in labelled) and all(
            _holds(condition, pod) for condition in rule.get("preconditions", {}).get("all", [])
        ):
            yield rule


def _holds(condition: Json, pod: Json) -> bool:
    keys, values = (_list(_substituted(condition[side], pod)) for side in ("key", "value"))
    many, among = OPERATORS[condition["operator"]]
    return many(any(fnmatchcase(str(key), str(value)) for value in values) == among for key in keys)


def _substituted(value: Any, pod: Json) -> Any:
    found = VARIABLE.fullmatch(value) if isinstance(value, str) else None
    return jmespath.search(found[1], {"request": {"object": pod}}) if found else value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _fits(pattern: Any, value: Any) -> bool:
    """`=(name)`: if there is such a member."""
    if not isinstance(pattern, dict):
        return bool(pattern == value)
    members = {name.removeprefix("=(").removesuffix(")"): part for name, part in pattern.items()}
    return all(_fits(part, value[name]) for name, part in members.items() if name in value)
