"""Command lines in the documents: where they stand, and what a shell would make of them."""

import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.pages import ROOT, blocks, inline_code, pages

PROGRAMS = ("token-broker", "kubectl", "helm", "make")
SHELL = ("console", "sh", "bash", "shell")
OPERATORS = ";&|<>()"


@dataclass(frozen=True)
class Command:
    """One simple command: the page it stands on, its program and its arguments."""

    page: Path
    program: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {shlex.join([self.program, *self.arguments])}"


def commands(program: str) -> list[Command]:
    """Every command line with this program, in blocks and in backticks, each once."""
    found = dict.fromkeys(command for page in pages() for command in _commands(page))
    return [command for command in found if command.program == program]


def _commands(page: Path) -> Iterator[Command]:
    for line in (*_lines(page), *inline_code(page)):
        if any(program in line for program in PROGRAMS):
            for words in _simple(line):
                called = list(itertools.dropwhile(re.compile(r"\w+=\S*|\$").fullmatch, words))
                if called and (program := Path(called[0]).name) in PROGRAMS:
                    yield Command(page, program, tuple(called[1:]))


def _lines(page: Path) -> Iterator[str]:
    """What is typed in the blocks of a page: all of a script, and what follows a prompt."""
    for block in blocks(page, *SHELL, ""):
        lines = block.text.replace("\\\n", " ").splitlines()
        prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        yield from prompted if prompted or block.language in ("console", "") else lines


def _simple(line: str) -> Iterator[list[str]]:
    """The simple commands of a line, without redirections; nothing of what no shell would read."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=OPERATORS)
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        for word in lexer:
            if set(word) <= set(OPERATORS):
                yield words
                words = []
            else:
                words.append(word)
    except ValueError:  # prose with an apostrophe
        return
    yield words
