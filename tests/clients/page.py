"""docs/clients.md as tests see it: its code blocks, each with the mark in the line above."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/clients.md"
TEXT = PAGE.read_text(encoding="utf-8")

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>run|not run): (?P<name>[a-z0-9-]+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """`mark` is `run`, `not run`, or empty for what is no snippet of a client."""

    name: str
    mark: str
    language: str
    code: str


BLOCKS = tuple(
    Block(found["name"] or "", found["mark"] or "", found["language"], found["code"]) for found in _BLOCK.finditer(TEXT)
)
SNIPPETS = {block.name: block for block in BLOCKS if block.name}
