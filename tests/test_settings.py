import math
import re
from collections.abc import Iterator
from types import UnionType
from typing import get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.durations import Ahead, Duration, Wait
from broker.core.settings import Settings
from each_case import for_each


@for_each(
    ("text", "seconds"),
    [
        ("300s", 300),
        ("5m", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("2d", 172800),
        ("0s", 0),
    ],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@for_each(
    ("text", "sentence"),
    [
        (10, "10 has no unit; write 10s if seconds are meant"),
        (1.5, "1.5 has no unit; write 1.5s if seconds are meant"),
        ("10", "10 has no unit; write 10s if seconds are meant"),
        ("5 m", "'5 m' is not a duration; write it like 300s, 5m or 1h"),
        ("-5m", "'-5m' is not a duration; write it like 300s, 5m or 1h"),
        ("", "'' is not a duration; write it like 300s, 5m or 1h"),
        ("\u0665m", "'\u0665m' is not a duration; write it like 300s, 5m or 1h"),
        ("366d", "'366d' is longer than a year"),
        ("9" * 400 + "s", f"'{'9' * 59} is longer than a year"),
    ],
)
def test_what_is_no_duration_is_refused_with_a_sentence(text: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        Duration.parse(text)


@given(st.floats(0, 365 * 86400))
def test_a_duration_is_written_as_it_is_read(seconds: float) -> None:
    duration = Duration(round(seconds, 3))
    assert Duration.parse(str(duration)) == duration


@for_each(
    ("text", "written"),
    [("3600s", "1h"), ("90m", "90m"), ("61s", "61s"), ("0s", "0s"), ("1500ms", "1500ms"), ("2d", "48h")],
)
def test_a_duration_is_written_in_the_largest_unit_that_fits(text: str, written: str) -> None:
    assert str(Duration.parse(text)) == written


def test_forever_is_a_wait() -> None:
    wait = Wait.parse("forever")
    assert math.isinf(wait)
    assert str(wait) == "forever"
    assert str(Wait.parse("60s")) == "1m"


@pytest.mark.parametrize(("text", "seconds"), [("auto", None), ("20%", 720), ("0.5%", 18), ("5m", 300)])
def test_ahead_is_auto_a_share_or_a_duration(text: str, seconds: float | None) -> None:
    assert Ahead.parse(text).of(3600) == seconds


@for_each("text", ["20", "automatic", "%", "5 %", "", 20])
def test_what_is_no_ahead_is_refused_with_a_sentence(text: object) -> None:
    with pytest.raises(ValueError, match="is not auto, a duration like 5m, or a share of the lifetime like 20%"):
        Ahead.parse(text)


def test_every_key_is_described() -> None:
    assert [key for key, description in described(Settings, "") if not description.endswith((".", ".)"))] == []


def described(kind: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, str]]:
    for field in msgspec.structs.fields(kind):
        name = f"{prefix}{field.name}"
        plain = getattr(field.type, "__origin__", field.type) if hasattr(field.type, "__metadata__") else field.type
        origin: object = get_origin(plain)
        inner = plain.__args__[-1 if origin is dict else 0] if origin in {dict, tuple, UnionType} else plain
        metas = getattr(field.type, "__metadata__", ())
        is_section = isinstance(inner, type) and issubclass(inner, msgspec.Struct)
        yield name, (metas[0].description if metas else None) or (inner.__doc__ if is_section else "") or ""
        if is_section:
            yield from described(inner, f"{name}.")
