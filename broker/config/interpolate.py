"""`${VAR}` in the file's strings, replaced once, after parsing: a value can never become structure."""

import re
from collections.abc import Mapping

from broker.config.document import BROKEN, Document, Place, Tree

DOLLAR = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<other>))")


def interpolate(document: Document, environ: Mapping[str, str]) -> None:
    """Replace variables in `document`; complain about those that cannot be replaced."""
    document.tree = _replaced(document, environ, document.tree, ())


def secret_file(place: Place) -> str | None:
    """Return the key for a secret file to use instead of a variable at `place`, if any."""
    match place:
        case ("tokens", _, "parameters", *_):
            return "parameters_file"
        case ("clients", _, "assertion", "claims", *_):
            return "claims_file"
        case _:
            return None


def _replaced(document: Document, environ: Mapping[str, str], value: Tree, place: Place) -> Tree:
    if isinstance(value, dict):
        return {key: _replaced(document, environ, inner, (*place, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(document, environ, inner, (*place, position)) for position, inner in enumerate(value)]
    if not isinstance(value, str) or "$" not in value:
        return value
    problems = []

    def one(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        if match["other"] is not None:
            problems.append("a dollar sign begins ${VAR}; write $$ for a dollar")
        elif file := secret_file(place):
            problems.append(
                f"${{{match['name']}}} is not replaced here: a variable is no place for a secret (child processes,"
                f" docker inspect and crash reports show it); put the value into a file and name that as {file}"
            )
        elif not environ.get(match["name"]):
            state = "empty" if match["name"] in environ else "not set"
            problems.append(f"the environment variable {match['name']} is {state}")
        return environ.get(match["name"] or "", "")

    replaced = DOLLAR.sub(one, value)
    for problem in problems:
        document.complain(place, problem)
    return BROKEN if problems else replaced
