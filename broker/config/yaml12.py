"""YAML text -> plain values with their line numbers.

PyYAML parses; which plain scalars are more than text is decided here by the YAML 1.2 core schema, stricter still about
numbers, so that `kid: 2026-11-23`, `kid: 0123` and `on` stay what was written.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn, TypeAlias

import yaml

from broker.config.document import Document, Origin, Place, Tree
from broker.core.errors import ConfigError

#: PyYAML's own; its stubs know neither the marks of an event nor what loaders have in common.
Event: TypeAlias = Any
Loader: TypeAlias = Any
#: libyaml is twenty times faster and comes with every wheel of PyYAML.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_DEPTH = 20
#: Counted with every alias written out, which is what a "billion laughs" document grows by.
MAX_VALUES = 100_000
NULL = ("", "~", "null", "Null", "NULL")
BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
FRACTION = re.compile(r"[-+]?(?:[0-9]*\.[0-9]+|[0-9]+\.|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
#: Hints for common mistakes, keyed by libyaml's error text.
HINTS = {
    "mapping values are not allowed": "put quotes around a value that holds a colon and a space",
    "did not find expected key": "check the indentation, and put quotes around a value with special characters",
}


class Fraction(str):
    """A number with a fraction or an exponent, as it was written: text to most keys, a number in claims."""

    __slots__ = ()


class Node(NamedTuple):
    """One value: a scalar, a list of nodes, or a tuple of pairs, so that a key written twice is still there twice."""

    line: int
    value: object


class Pair(NamedTuple):
    """One key of a mapping."""

    key: str
    line: int
    node: Node


def parse(text: str, label: str, loader: Loader = LOADER) -> Document:
    """The one mapping that `text` holds. Raises ConfigError with file and line when it is not YAML of that kind."""
    if match := CONTROL.search(text):
        line = text.count("\n", 0, match.start()) + 1
        raise ConfigError([f"{label}:{line}: not valid YAML: holds the control character U+{ord(match[0]):04X}"])
    document = Document({}, {(): Origin(label)})
    try:
        root = _Reader(yaml.parse(text, Loader=loader), label).document()
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the latter two: \U escapes beyond Unicode
        raise ConfigError([_syntax(error, text, label)]) from None
    if root is not None and root.value is not None:
        if not isinstance(root.value, tuple):
            raise ConfigError(
                [f"{label}:{root.line}: must hold keys (clients, tokens, …), not a list or a single value"]
            )
        document.tree = _Tree(document, label).plain(root, ())
    return document


class _Reader:
    """Events -> nodes. Aliases share their node, so this takes no more room than the text."""

    def __init__(self, events: Iterator[Event], label: str) -> None:
        self.events = events
        self.label = label
        self.anchors: dict[str, Node] = {}

    def document(self) -> Node | None:
        root = None
        for event in self.events:
            if isinstance(event, yaml.NodeEvent):
                if root is not None:
                    self.fail(event, "holds more than one document (---)")
                root = self.node(event, 0)
        return root

    def node(self, event: Event, depth: int) -> Node:
        line: int = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            # An anchor is defined after its value, so a recursive alias is unknown here.
            return self.anchors.get(str(event.anchor)) or self.fail(event, f"*{event.anchor} is not defined above")
        if depth > MAX_DEPTH:
            self.fail(event, f"is nested more than {MAX_DEPTH} deep")
        value: object
        if isinstance(event, yaml.ScalarEvent):
            value = self.scalar(event)
        elif event.tag is not None:
            self.untagged(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = [self.node(item, depth + 1) for item in self.until(yaml.SequenceEndEvent)]
        else:
            value = tuple(self.pair(key, depth) for key in self.until(yaml.MappingEndEvent))
        node = Node(line, value)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def until(self, end: type) -> Iterator[Event]:
        while not isinstance(event := next(self.events), end):
            yield event

    def pair(self, event: Event, depth: int) -> Pair:
        line: int = event.start_mark.line + 1
        if not isinstance(event, yaml.ScalarEvent):
            self.fail(event, "a key must be plain text")
        return Pair(event.value, line, self.node(next(self.events), depth + 1))

    def scalar(self, event: Event) -> object:
        text = str(event.value)
        if event.tag in {"!", "tag:yaml.org,2002:str"}:
            return text
        if event.tag is not None:
            self.untagged(event)
        return resolve(text) if event.implicit[0] else text

    def untagged(self, event: Event) -> NoReturn:
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        self.fail(event, f"the tag {tag!r:.60} has no meaning here")

    def fail(self, event: Event, text: str) -> NoReturn:
        raise ConfigError([f"{self.label}:{event.start_mark.line + 1}: {text}"])


class _Tree:
    """Nodes -> the document's plain values, with the place and line of each."""

    def __init__(self, document: Document, label: str) -> None:
        self.document = document
        self.label = label
        self.count = 0

    def plain(self, node: Node, place: Place) -> Tree:
        self.count += 1
        if self.count > MAX_VALUES:
            raise ConfigError([f"{self.label}:{node.line}: holds more than {MAX_VALUES} values, aliases written out"])
        if isinstance(node.value, list):
            for position, item in enumerate(node.value):
                self.document.origins[*place, position] = Origin(self.label, item.line, (*place, position))
            return [self.plain(item, (*place, position)) for position, item in enumerate(node.value)]
        if not isinstance(node.value, tuple):
            return node.value
        tree: dict[str, Tree] = {}
        for key, line, value in node.value:
            here = (*place, key)
            if key in tree:
                self.document.complain(here, f"is written again in line {line}; keep one")
                continue
            self.document.origins[here] = Origin(self.label, line, here)
            tree[key] = self.plain(value, here)
        return tree


def resolve(text: str) -> object:
    """Resolve an unquoted scalar: null, boolean, whole number, `Fraction`, else itself."""
    if text in NULL:
        return None
    if text in BOOLEAN:
        return BOOLEAN[text]
    if INTEGER.fullmatch(text):
        return int(text)
    if FRACTION.fullmatch(text) and math.isfinite(float(text)):
        return Fraction(text)
    return text


def _syntax(error: Exception, text: str, label: str) -> str:
    problem = str(getattr(error, "problem", None) or "it cannot be read")
    mark, start = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    hint = next((f"; {hint}" for words, hint in HINTS.items() if words in problem), "")
    if mark is None:
        return f"{label}: not valid YAML: {problem}{hint}"
    lines = text.rstrip("\n").split("\n")
    line = min(mark.line, len(lines) - 1)
    if start and start.line < line:
        problem += f" {error.context} that begins in line {start.line + 1}"  # type: ignore[attr-defined]  # it has marks
    match lines[line][mark.column : mark.column + 1]:
        case "\t":
            hint = "; indent with spaces, not tabs"
        case "@" | "`" | "%":
            hint = "; put quotes around a value that begins with @, ` or %"
    return f"{label}:{line + 1}: not valid YAML: {problem}{hint}"
