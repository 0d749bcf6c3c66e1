"""What holds for every row: closed reasons, one line each, real configuration keys, a current page."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from broker.core.diagnosis import REASONS, Act, Diagnosis, Reason
from broker.core.errors import NetworkError, NetworkFault, RefusalError
from broker.core.settings import ClientSettings, TokenSettings
from broker.providers import PRESETS, general
from broker.providers.diagnose import REFUSALS, ROWS, STARTING, diagnose
from broker.providers.faults import DISCOVERY, REPLY
from broker.providers.network import NETWORK, SENTENCES
from broker.providers.rows import Row
from each_case import for_each
from reasons_page import ACTS, page

PAGE = Path(__file__).parents[2] / "docs" / "reasons.md"
ROOTS: dict[str, type[msgspec.Struct]] = {"clients": ClientSettings, "tokens": TokenSettings}
TEXTS = [text for row in ROWS for text in (row.cause, row.fix)] + [STARTING.cause, STARTING.fix]
STEPS = [step for row in ROWS for step in row.steps]
#: What must suit every server there is.
GENERAL = (
    *(general.TOO_MANY, *general.SENTENCES, general.SERVER_FAULT, *general.CODES, *general.STATUSES, general.UNKNOWN),
    *(*NETWORK.values(), *DISCOVERY.values(), *REPLY.values()),
)
NAMES = (
    *("okta", "microsoft", "entra", "azure", "keycloak", "auth0", "epic", "hydra", "ory", "maskinporten", "google"),
    *("salesforce", "docusign", "zitadel", "ping", "altinn"),
)


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


def asked(row: Row, *, code: str = "", sentence: str = "", status: int = 400) -> Diagnosis:
    """The diagnosis of a refusal that has nothing but what the row looks at."""
    return diagnose(RefusalError(status, code, sentence), provider=row.providers[0] if row.providers else "generic")


@for_each("row", [row for row in REFUSALS if row.says])
def test_no_row_is_hidden_by_an_earlier_one(row: Row) -> None:
    for code in row.codes or ("invalid_client", "invalid_grant", "something_new"):
        for sentence in row.says:
            diagnosis = asked(row, code=code, sentence=sentence)
            assert (diagnosis.reason, diagnosis.act, diagnosis.cause) == (row.reason, row.act, row.cause)


@for_each("row", [row for row in REFUSALS if row.codes and not row.says])
def test_a_bare_code_is_diagnosed_by_its_row(row: Row) -> None:
    for code in row.codes:
        assert asked(row, code=code).cause == row.cause.replace("{status}", "400")


@for_each("row", [row for row in REFUSALS if row.statuses])
def test_a_bare_status_is_diagnosed_by_its_row(row: Row) -> None:
    for status in row.statuses:
        assert asked(row, status=status).cause == row.cause.replace("{status}", str(status))


@pytest.mark.parametrize("fault", SENTENCES)
def test_what_is_said_on_the_way_is_diagnosed_by_its_row(fault: NetworkFault) -> None:
    for row in SENTENCES[fault]:
        for sentence in row.says:
            diagnosis = diagnose(NetworkError(fault, "idp.example:443", f"{sentence} (error 20)"))
            assert (diagnosis.reason, diagnosis.act) == (row.reason, row.act)
            assert diagnosis.cause == row.cause.replace("{where}", "idp.example:443")


def test_a_row_for_one_provider_is_of_no_use_to_another() -> None:
    for row in REFUSALS:
        if row.providers:
            refusal = RefusalError(400, next(iter(row.codes), ""), next(iter(row.says), ""))
            assert diagnose(refusal, provider="generic").cause != row.cause


def test_rows_are_for_presets_that_there_are() -> None:
    assert {provider for row in ROWS for provider in row.providers} <= set(PRESETS)


@for_each("row", [*GENERAL, *(row for rows in SENTENCES.values() for row in rows)])
def test_a_row_for_everybody_names_nobody(row: Row) -> None:
    said = " ".join((row.cause, row.fix, *row.steps)).casefold()
    assert [name for name in NAMES if re.search(rf"\b{name}\b", said)] == []


@for_each("row", [row for row in ROWS if row.steps])
def test_steps_are_sentences_that_fit_two_lines_of_a_terminal(row: Row) -> None:
    for step in row.steps:
        assert re.fullmatch(r"[A-Z][^\n]*[^.\s]\.", step)
        assert "{" not in step
        assert len(step) <= 220


@for_each("text", TEXTS)
def test_causes_and_fixes_are_single_sentences_in_one_line(text: str) -> None:
    assert text == "{message}" or re.fullmatch(r"[A-Z{][^\n]*[^.\s]\.", text)
    assert "  " not in text
    assert not re.search(r"\. [A-Z]", text)
    assert len(text) <= 300


@for_each("row", ROWS)
def test_fixes_hold_no_placeholder(row: Row) -> None:
    assert "{" not in row.fix


@for_each("text", [*TEXTS, *STEPS])
def test_configuration_keys_in_the_texts_exist(text: str) -> None:
    for section, path in re.findall(r"(clients|tokens)\.<name>\.([\w.]*\w)", text):
        assert exists(ROOTS[section], path.split(".")), path
    assert len(re.findall(r"<name>", text)) == len(re.findall(r"(?:clients|tokens)\.<name>\.\w", text))


def test_every_act_is_explained() -> None:
    assert set(ACTS) == set(Act)


def test_the_page_of_reasons_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/reasons_page.py > docs/reasons.md"
