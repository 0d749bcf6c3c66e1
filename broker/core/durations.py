"""Durations as people write them, and what else stands where one does."""

import math
import re
from typing import ClassVar

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST = 365 * 86400.0


class Duration(float):
    """Seconds, in whole milliseconds, written `300s`, `5m`, `1h30m`."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"([0-9]+(\.[0-9]+)?(ms|[smhd]))+"

    @classmethod
    def parse(cls, text: object) -> "Duration":
        """Raises ValueError with a sentence when `text` is not a duration of at most a year."""
        if isinstance(text, int | float) or (isinstance(text, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", text)):
            raise ValueError(f"{text!s:.20} has no unit; write {text!s:.20}s if seconds are meant")
        if not isinstance(text, str) or not re.fullmatch(Duration.PATTERN, text):
            raise ValueError(f"{text!r:.60} is not a duration; write it like 300s, 5m or 1h")
        parts = re.findall(r"([0-9.]+)(ms|[smhd])", text)
        seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
        if seconds > LONGEST:
            raise ValueError(f"{text!r:.60} is longer than a year")
        return cls(round(seconds, 3))

    def __str__(self) -> str:
        """As the configuration writes it; `parse` gives back the same."""
        if not self.is_integer():
            return f"{round(self * 1000)}ms"
        seconds = int(self)
        for unit, size in (("h", 3600), ("m", 60)):
            if seconds and seconds % size == 0:
                return f"{seconds // size}{unit}"
        return f"{seconds}s"


class Wait(Duration):
    """A duration, or `forever`."""

    __slots__ = ()
    PATTERN: ClassVar[str] = rf"forever|{Duration.PATTERN}"

    @classmethod
    def parse(cls, text: object) -> "Wait":
        """As `Duration.parse`; `forever` is infinity."""
        return cls(math.inf if text == "forever" else super().parse(text))

    def __str__(self) -> str:
        """As the configuration writes it."""
        return "forever" if math.isinf(self) else super().__str__()


class Ahead(str):
    """How long before expiry a token is replaced: `auto`, a duration, or a share of its lifetime (`20%`)."""

    __slots__ = ()
    PATTERN: ClassVar[str] = rf"auto|[0-9]+(\.[0-9]+)?%|{Duration.PATTERN}"

    @classmethod
    def parse(cls, text: object) -> "Ahead":
        """Raises ValueError with a sentence when `text` is none of the three."""
        ahead = cls(text)
        try:
            ahead.of(1.0)
        except ValueError:
            shown = f"{text!r:.60}"
            raise ValueError(f"{shown} is not auto, a duration like 5m, or a share of the lifetime like 20%") from None
        return ahead

    def of(self, lifetime: float) -> float | None:
        """Seconds ahead of expiry for a token that lives `lifetime` seconds; `None` for auto."""
        if self == "auto":
            return None
        if match := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)%", self):
            return lifetime * float(match[1]) / 100
        return Duration.parse(str(self))
