"""What holds for every row: closed reasons, one line each, real configuration keys, a current page."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from broker.diagnosis import REASONS, REFUSALS, ROWS, STARTING, Act, Reason, Row, diagnose
from broker.errors import RefusalError
from broker.settings import ClientSettings, TokenSettings
from reasons_page import ACTS, page

PAGE = Path(__file__).parents[2] / "docs" / "reasons.md"
ROOTS: dict[str, type[msgspec.Struct]] = {"clients": ClientSettings, "tokens": TokenSettings}
TEXTS = [text for row in ROWS for text in (row.cause, row.fix)] + [STARTING.cause, STARTING.fix]


def exists(struct: type[msgspec.Struct], path: list[str]) -> bool:
    """Whether the configuration has the key; a field may be annotated or optional."""
    for field in msgspec.structs.fields(struct):
        if field.name == path[0]:
            forms = [form for form in (field.type, *get_args(field.type)) if isinstance(form, type)]
            inner = [form for form in forms if issubclass(form, msgspec.Struct)]
            return len(path) == 1 or any(exists(form, path[1:]) for form in inner)
    return False


def test_the_reasons_are_the_declared_ones_in_their_order() -> None:
    assert tuple(REASONS) == get_args(Reason)


def test_every_reason_is_in_the_form_of_a_label() -> None:
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", reason) for reason in REASONS)


def test_every_reason_is_given_by_some_row_or_is_starting() -> None:
    assert {row.reason for row in ROWS} | {STARTING.reason} == set(REASONS)


@pytest.mark.parametrize("row", [row for row in REFUSALS if row.codes and row.says])
def test_no_row_is_hidden_by_an_earlier_one(row: Row) -> None:
    for code in row.codes:
        for sentence in row.says:
            diagnosis = diagnose(RefusalError(400, code, sentence))
            assert (diagnosis.reason, diagnosis.act, diagnosis.cause) == (row.reason, row.act, row.cause)


@pytest.mark.parametrize("row", [row for row in REFUSALS if row.codes and not row.says])
def test_a_bare_code_is_diagnosed_by_its_row(row: Row) -> None:
    for code in row.codes:
        assert diagnose(RefusalError(400, code, "")).cause == row.cause


@pytest.mark.parametrize("row", [row for row in REFUSALS if row.statuses])
def test_a_bare_status_is_diagnosed_by_its_row(row: Row) -> None:
    for status in row.statuses:
        cause = row.cause.replace("{status}", str(status))
        assert diagnose(RefusalError(status, "", "")).cause == cause


@pytest.mark.parametrize("text", TEXTS)
def test_causes_and_fixes_are_single_sentences_in_one_line(text: str) -> None:
    assert text == "{message}" or re.fullmatch(r"[A-Z{][^\n]*[^.\s]\.", text)
    assert "  " not in text
    assert not re.search(r"\. [A-Z]", text)
    assert len(text) <= 300


@pytest.mark.parametrize("row", ROWS)
def test_fixes_hold_no_placeholder(row: Row) -> None:
    assert "{" not in row.fix


@pytest.mark.parametrize("text", TEXTS)
def test_configuration_keys_in_the_texts_exist(text: str) -> None:
    for section, path in re.findall(r"(clients|tokens)\.<name>\.([\w.]*\w)", text):
        assert exists(ROOTS[section], path.split(".")), path
    assert len(re.findall(r"<name>", text)) == len(re.findall(r"(?:clients|tokens)\.<name>\.\w", text))


def test_every_act_is_explained() -> None:
    assert set(ACTS) == set(Act)


def test_the_page_of_reasons_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/reasons_page.py > docs/reasons.md"
