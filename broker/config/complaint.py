"""What rules are written with: a complaint is a place and the end of a sentence about what stands there."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from broker.config.document import Place
from broker.core.settings import ClientSettings
from broker.providers import PRESETS, Rule

Complaint = tuple[Place, str]


def each(place: Place, values: Sequence[str], fault: Callable[[str], str | None]) -> Iterator[Complaint]:
    """Yield a complaint for each value that `fault` rejects."""
    for position, value in enumerate(values):
        if wrong := fault(value):
            yield (*place, position), wrong


def once(place: Place, values: Sequence[str]) -> Iterator[Complaint]:
    """Yield a complaint for each duplicate value."""
    for value in dict.fromkeys(value for value in values if values.count(value) > 1):
        yield place, f"{value!r:.80} is written twice"


def preset(client: ClientSettings, values: Mapping[str, str | None], place: Place) -> Iterator[Complaint]:
    """Check `values`, keyed by configuration key, against the provider's rules."""
    for rule in broken(PRESETS[client.provider].rules, client, values):
        yield (*place, *rule.key.split(".")), rule.reason


def broken(rules: Iterable[Rule], client: ClientSettings, values: Mapping[str, str | None]) -> Iterator[Rule]:
    """Yield the rules that `values` break, at most the first for each key."""
    path = urlsplit(client.token_endpoint or client.issuer or "").path
    grant = values.get("grant") or ""
    told = set()
    for rule in rules:
        value = values.get(rule.key)
        fits = re.fullmatch(rule.path, path) and re.fullmatch(rule.grant, grant)
        if value is None or rule.key in told or not fits:
            continue
        if not re.fullmatch(rule.pattern, value):
            told.add(rule.key)
            yield rule
