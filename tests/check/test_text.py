"""How the report looks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.cli.check.report import Problem, Step
from broker.cli.check.text import lines, verdict
from broker.cli.check.times import length, span
from broker.core.diagnosis import Diagnosis
from broker.core.errors import RefusalError
from broker.providers.diagnose import REFUSALS, diagnose
from broker.providers.rows import Row
from each_case import for_each


def painted(text: str, style: str) -> str:
    return f"<{style}>{text}</{style}>"


def a_step(row: Row) -> Step:
    diagnosis = Diagnosis(reason=row.reason, act=row.act, cause=row.cause, fix=row.fix, steps=row.steps, words="Said.")
    return Step(name="token", status="failed", detail="users-api: refused", problem=Problem(diagnosis=diagnosis))


@for_each("row", REFUSALS)
@for_each("width", [80, 50])
def test_no_line_is_wider_than_the_terminal_unless_one_word_is(row: Row, width: int) -> None:
    for line in lines(a_step(row), width=width):
        assert len(line) <= width or len(line.split()) <= 2
        assert line == line.rstrip()


@given(st.text(st.characters(categories=("L", "N", "P", "Zs")), max_size=300))
def test_whatever_a_server_says_every_word_of_it_is_there_once_and_in_order(words: str) -> None:
    diagnosis = diagnose(RefusalError(400, "odd", words))
    step = Step(name="token", status="failed", detail="x", problem=Problem(diagnosis=diagnosis))
    assert " ".join(f'"{diagnosis.words}"'.split()) in " ".join(" ".join(lines(step)).split())


def test_outcomes_are_words_and_line_up() -> None:
    marks = [
        next(lines(Step(name="key", status=status, detail="x"))).replace("key", "|")
        for status in ("ok", "warning", "failed", "skipped")
    ]
    assert [mark.partition("|")[0] for mark in marks] == ["ok    ", "warn  ", "FAIL  ", "--    "]


def test_colours_change_nothing_but_the_colours() -> None:
    step = a_step(REFUSALS[0])
    coloured = "\n".join(lines(step, paint=painted))
    for style in ("red", "bold"):
        coloured = coloured.replace(f"<{style}>", "").replace(f"</{style}>", "")
    assert coloured == "\n".join(lines(step))


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        (["ok"], "All good."),
        (["ok", "warning", "skipped"], "All good, with 1 warning."),
        (["failed"], "1 step failed."),
        (["failed", "failed", "warning", "warning"], "2 steps failed, 2 warnings."),
    ],
)
def test_the_last_line_counts(statuses: list[str], said: str) -> None:
    steps = [Step(name="key", status=status, detail="") for status in statuses]  # type: ignore[arg-type]  # they are
    assert verdict(steps, offline=False) == said


@for_each(
    ("seconds", "said"),
    [
        (0.04, "0 s"),
        (1.5, "1.5 s"),
        (60, "60 s"),
        (99.6, "100 s"),
        (120, "2 min"),
        (2040, "34 min"),
        (3599, "1 h"),
        (3600, "1 h"),
        (5400, "1.5 h"),
        (86400, "24 h"),
        (259200, "3 days"),
    ],
)
def test_lengths_of_time_are_in_the_unit_that_suits_them(seconds: float, said: str) -> None:
    assert length(seconds) == said


def test_a_span_names_its_unit_once_if_it_can() -> None:
    assert (span(2040, 2400), span(50, 150)) == ("34 to 40 min", "50 s to 2.5 min")
