"""The chart's values.yaml as people read it: each value with its default and the comment above it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

CHART = Path(__file__).parents[2] / "helm/token-broker"
VALUES = CHART / "values.yaml"
SECTION = re.compile(r"# -{4} (\w+): (.*) -{4}")


@dataclass(frozen=True)
class Value:
    """One key: its path, the default as it is written ("" for a group), its comment in one line, and its section."""

    path: tuple[str, ...]
    default: str
    comment: str
    section: str


def values() -> list[Value]:
    """All of them, groups before what is in them, in the order of the file."""
    text = VALUES.read_text()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    return list(_values(root, (), text))


def _values(node: yaml.MappingNode, place: tuple[str, ...], text: str) -> Iterator[Value]:
    for key, value in node.value:
        path = (*place, key.value)
        group = isinstance(value, yaml.MappingNode) and not value.flow_style and bool(value.value)
        default = "" if group else text[value.start_mark.index : value.end_mark.index]
        lines = text.splitlines()[: key.start_mark.line]
        yield Value(path, " ".join(default.split()), _comment(lines), _section(lines))
        if group and isinstance(value, yaml.MappingNode):
            yield from _values(value, path, text)


def _comment(above: list[str]) -> str:
    said: list[str] = []
    while above and (line := above.pop().strip()).startswith("#"):
        said.insert(0, line.removeprefix("#").strip())
    return " ".join(said)


def _section(above: list[str]) -> str:
    return next((match[1] for line in reversed(above) if (match := SECTION.fullmatch(line))), "")
