"""The report for people: a line a step, what to do below a failed one. For 80 columns, a pipe, a screen reader."""

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from broker.cli.check.report import Problem, Status, Step
from broker.core.settings import ClientSettings
from broker.providers import PRESETS

#: Styles a text, or does not, where there are no colours: `paint(text, "green")`.
Paint = Callable[[str, str], str]
MARKS: Mapping[Status, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warning": ("warn", "yellow"),
    "failed": ("FAIL", "red"),
    "skipped": ("--", "dim"),
}
NAME = 15
INDENT = 6
LABEL = 11


def plain(text: str, _style: str) -> str:
    """No colours."""
    return text


class Printer:
    """Gives the report line by line to `echo`, as it comes."""

    def __init__(
        self,
        echo: Callable[[str], object],
        clients: Mapping[str, ClientSettings],
        *,
        width: int = 80,
        paint: Paint = plain,
    ) -> None:
        self.echo = echo
        self.clients = clients
        self.width = width
        self.paint = paint
        self._client: str | None = None
        self._blank = False

    def emit(self, step: Step) -> None:
        """Print the lines of one step, after a heading for each new client."""
        if step.client and step.client != self._client:
            self._client = step.client
            self._line("")
            self._line(heading(step.client, self.clients[step.client], self.paint))
        for line in lines(step, width=self.width, paint=self.paint):
            self._line(line)

    def end(self, steps: Sequence[Step], *, offline: bool) -> None:
        """Print the verdict."""
        self._line("")
        self._line(verdict(steps, offline=offline, paint=self.paint))

    def _line(self, line: str) -> None:
        """Of blank lines in a row, one."""
        if line or not self._blank:
            self.echo(line)
        self._blank = not line


def heading(name: str, settings: ClientSettings, paint: Paint = plain) -> str:
    """What stands over the steps of one client."""
    title = "" if settings.provider == "generic" else f"{PRESETS[settings.provider].title}, "
    return f"{paint(name, 'bold')}  {title}{settings.issuer or settings.token_endpoint}"


def lines(step: Step, *, width: int = 80, paint: Paint = plain) -> Iterator[str]:
    """The line of a step, and what belongs below it."""
    mark, style = MARKS[step.status]
    name = step.name.replace("_", " ")
    reason = f" ({step.problem.diagnosis.reason})" if step.problem and step.status == "failed" else ""
    first, *more = _wrapped(step.detail + reason, width - INDENT - NAME)
    yield f"{paint(mark, style)}{' ' * (INDENT - len(mark))}{name:<{NAME}}{first}"
    for line in more:
        yield " " * (INDENT + NAME) + line
    if step.problem:
        yield from _problem(step.problem, step.status, width, paint)


def verdict(steps: Sequence[Step], *, offline: bool, paint: Paint = plain) -> str:
    """Print the verdict."""
    counts = {status: sum(step.status == status for step in steps) for status in MARKS}
    unwise = _count(counts["warning"], "warning")
    if failed := counts["failed"]:
        return paint(f"{_count(failed, 'step')} failed" + (f", {unwise}" if counts["warning"] else "") + ".", "red")
    said = "All good" + (f", with {unwise}" if counts["warning"] else "") + "."
    return paint(said, "green") + (" Nothing was sent." if offline else "")


def _problem(problem: Problem, status: Status, width: int, paint: Paint) -> Iterator[str]:
    diagnosis = problem.diagnosis
    paragraphs: list[tuple[str, Iterable[str]]] = []
    if diagnosis.words:
        paragraphs.append(("said", [f'"{diagnosis.words}"']))
    paragraphs += [(label, [text]) for label, text in problem.evidence.items()]
    if status == "failed":
        paragraphs.append(("cause", [diagnosis.cause]))
    if diagnosis.steps:
        paragraphs.append(("fix", [f"{number}. {each}" for number, each in enumerate(diagnosis.steps, 1)]))
    else:
        paragraphs.append(("fix", [diagnosis.fix]))
    yield ""
    for label, texts in paragraphs:
        yield from _paragraph(label, texts, width, paint)
    if problem.public_jwk is not None:
        what = "key" if "keys" not in problem.public_jwk else "keys"
        yield from _paragraph(what, [f"The public {what}, to paste:"], width, paint)
        # Not wrapped, since a line break within a number would be pasted too.
        yield from (" " * INDENT + line for line in json.dumps(problem.public_jwk, indent=2).splitlines())
    yield ""


def _paragraph(label: str, texts: Iterable[str], width: int, paint: Paint) -> Iterator[str]:
    """`label` beside the first line; the rest of a numbered text is indented under its words."""
    margin = " " * (INDENT + LABEL)
    head = " " * INDENT + paint(label, "bold") + " " * (LABEL - len(label))
    for text in texts:
        hang = "   " if text[:1].isdecimal() and text[1:3] == ". " else ""
        for number, line in enumerate(_wrapped(text, width - len(margin), hang)):
            yield (head if number == 0 else margin) + line
            head = margin


def _wrapped(text: str, width: int, hang: str = "") -> list[str]:
    """Words are not broken: they may be URLs, to be copied."""
    return textwrap.wrap(text, width, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False) or [""]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
