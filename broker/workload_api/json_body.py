"""Parses JSON objects sent by workloads. No I/O."""

import json


def members_of(body: bytes) -> dict[str, object] | None:
    """The members of the JSON object in `body`; `None` if it is not one object or repeats a name.

    Parsers disagree about which value of a repeated name counts (RFC 8259 section 4).
    """
    try:
        found: object = json.loads(body.decode(), object_pairs_hook=_reject_duplicates)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _reject_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name that is given twice")
    return members
