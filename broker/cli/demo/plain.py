"""The demo as plain lines: for pipes, logs, dumb terminals and screen readers."""

import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import click

from broker.cli.demo.story import Mood, Paragraph
from broker.cli.demo.tally import Scene

WIDTH = 78


class View(AbstractContextManager["View"], Protocol):
    """Shows the demo. Its methods may block, as terminals do, and are called from one thread at a time."""

    #: Seconds between two chapters, for people who read along.
    beat: float

    def tell(self, paragraphs: Sequence[Paragraph]) -> None:
        """A chapter."""

    def happened(self, clock: str, text: str, mood: Mood) -> None:
        """Something happened at this time of day."""

    def figures(self, rows: Sequence[tuple[str, str]]) -> None:
        """A table of labels and values."""

    def draw(self, scene: Scene) -> None:
        """The present."""


class Plain(View):
    """One line an event, no control characters, nothing drawn."""

    beat = 0.0

    def __exit__(self, *_: object) -> None:
        """There is nothing to put back."""

    def tell(self, paragraphs: Sequence[Paragraph]) -> None:
        """Wrapped, with a blank line before a title."""
        for one in paragraphs:
            match one.kind:
                case "title":
                    click.echo(f"\n{one.text}")
                case "quote" | "command":
                    click.echo(f"    {one.text}")
                case _:
                    click.echo(textwrap.fill(one.text, WIDTH, break_long_words=False, break_on_hyphens=False))

    def happened(self, clock: str, text: str, mood: Mood) -> None:  # noqa: ARG002 - colours are for terminals
        """One line."""
        click.echo(f"{clock}  {text}")

    def figures(self, rows: Sequence[tuple[str, str]]) -> None:
        """One line a row."""
        for label, value in rows:
            click.echo(f"    {label:<26}{value}")

    def draw(self, scene: Scene) -> None:
        """Only on terminals."""
