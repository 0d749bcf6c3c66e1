"""What the text of a file means, and the sentences when it means nothing."""

import textwrap

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from broker.config.yaml12 import LOADER, MAX_VALUES, Fraction, Loader, parse
from broker.core.errors import ConfigError
from each_case import for_each

LOADERS = [LOADER, yaml.SafeLoader]


def tree(text: str) -> dict[str, object]:
    return parse(textwrap.dedent(text), "config.yaml").tree


def sentence(text: str, loader: Loader = LOADER) -> str:
    with pytest.raises(ConfigError) as raised:
        parse(text, "config.yaml", loader)
    (only,) = raised.value.complaints
    return only


@for_each("text", ["2026-11-23", "0123", "on", "off", "yes", "no", "y", "0x1f", "0o17", "1_000", "12:30:45", "+1"])
def test_what_yaml_1_1_would_turn_into_something_else_stays_text(text: str) -> None:
    assert tree(f"kid: {text}") == {"kid": text}


@for_each(
    ("text", "value"),
    [("7", 7), ("-7", -7), ("0", 0), ("true", True), ("False", False), ("null", None), ("~", None), ("", None)],
)
def test_numbers_booleans_and_null_are_themselves(text: str, value: object) -> None:
    assert tree(f"key: {text}") == {"key": value}


@pytest.mark.parametrize("text", ["1.10", "1e3", ".5", "-2.5e-3", "1."])
def test_a_number_with_a_fraction_remembers_how_it_was_written(text: str) -> None:
    value = tree(f"key: {text}")["key"]
    assert isinstance(value, Fraction)
    assert value == text


@pytest.mark.parametrize("text", ["1e999", ".inf", ".nan", "1" * 5000])
def test_a_number_that_is_none_in_json_stays_text(text: str) -> None:
    assert type(tree(f"key: {text}")["key"]) is str


@pytest.mark.parametrize("text", ["'true'", '"7"', "!!str true", "! null", "|-\n  12"])
def test_what_is_marked_as_text_is_text(text: str) -> None:
    assert isinstance(tree(f"key: {text}")["key"], str)


def test_an_alias_stands_for_what_its_anchor_holds() -> None:
    assert tree("a: &scopes [x, y]\nb: *scopes") == {"a": ["x", "y"], "b": ["x", "y"]}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n", "---\n...\n"])
def test_an_empty_document_holds_nothing(text: str) -> None:
    assert tree(text) == {}


def test_every_value_remembers_its_line() -> None:
    document = parse("a:\n  b: [x,\n   y]\nc: 1\n", "config.yaml")
    assert {place: origin.line for place, origin in document.origins.items()} == {
        (): 0,
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "b", 0): 2,
        ("a", "b", 1): 3,
        ("c",): 4,
    }


def test_a_key_written_twice_is_told_with_both_lines() -> None:
    document = parse("a:\n  b: 1\n  c: 2\n  b: 3\n", "config.yaml")
    assert document.sentences() == ["config.yaml:2: a.b: is written again in line 4; keep one"]


@for_each(
    ("text", "expected"),
    [
        ("- a\n", "config.yaml:1: must hold keys (clients, tokens, …), not a list or a single value"),
        ("\nhello\n", "config.yaml:2: must hold keys (clients, tokens, …), not a list or a single value"),
        ("a: 1\n---\nb: 2\n", "config.yaml:3: holds more than one document (---)"),
        ("a: *nowhere\n", "config.yaml:1: *nowhere is not defined above"),
        ("a: &a [*a]\n", "config.yaml:1: *a is not defined above"),
        ("a:\n  !!binary aGk=\n", "config.yaml:2: the tag '!!binary' has no meaning here"),
        (
            "a: !!python/object:os.system {}\n",
            "config.yaml:1: the tag '!!python/object:os.system' has no meaning here",
        ),
        ("? [a]\n: b\n", "config.yaml:1: a key must be plain text"),
        ("? *a\n: b\n", "config.yaml:1: a key must be plain text"),
        ("a: " + "[" * 30 + "]" * 30 + "\n", "config.yaml:1: is nested more than 20 deep"),
        ("a: 1\nb: \x1b[31m\n", "config.yaml:2: not valid YAML: holds the control character U+001B"),
    ],
)
def test_yaml_of_another_kind_is_refused_with_a_sentence(text: str, expected: str) -> None:
    assert sentence(text) == expected
    assert sentence(text, yaml.SafeLoader) == expected


@for_each(
    ("text", "line", "expected"),
    [
        ("a:\n\tb: 1\n", 2, "found character that cannot start any token; indent with spaces, not tabs"),
        (
            "a: @b\n",
            1,
            "found character that cannot start any token; put quotes around a value that begins with @, ` or %",
        ),
        (
            "a: b: c\n",
            1,
            "mapping values are not allowed in this context; put quotes around a value that holds a colon and a space",
        ),
        ("b: [1,\nc: 2\n", 2, "did not find expected ',' or ']' while parsing a flow sequence that begins in line 1"),
        ("a: 'x\n", 1, "found unexpected end of stream"),
        ('a: "\\UFFFFFFFF"\n', 1, "found invalid Unicode character escape code"),
    ],
)
def test_a_slip_in_the_syntax_is_told_with_its_line(text: str, line: int, expected: str) -> None:
    assert sentence(text) == f"config.yaml:{line}: not valid YAML: {expected}"


@for_each("text", ["a: b: c", "a: 'x", '"\\UFFFFFFFF"', "a: @b", "[", "%YAML 9.9\n---\na: 1"])
def test_pyyamls_own_parser_ends_in_a_sentence_too(text: str) -> None:
    assert "not valid YAML: " in sentence(text, yaml.SafeLoader)


def test_a_billion_laughs_are_not_laughed() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert sentence("\n".join(lines)).endswith(f"holds more than {MAX_VALUES} values, aliases written out")


@pytest.mark.parametrize("loader", LOADERS)
@given(
    text=st.text(st.sampled_from("ab:-[]{}&*!|>'\"%@`#,? \n\t\\Ux1~.\u00e9\u2028"), max_size=60) | st.text(max_size=40)
)
def test_any_text_is_keys_or_one_sentence(loader: Loader, text: str) -> None:
    try:
        parse(text, "config.yaml", loader)
    except ConfigError as error:
        (only,) = error.complaints
        assert only.startswith("config.yaml")
        assert only.isprintable()
