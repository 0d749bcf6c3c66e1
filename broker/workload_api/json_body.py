"""JSON objects that workloads send. No I/O."""

import json


def members_of(body: bytes) -> dict[str, object] | None:
    """The members of the one JSON object in `body`, where no name stands twice; `None` when it is anything else.

    Of a name that stands twice, two readers may take different values.
    """
    try:
        found: object = json.loads(body.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name that is given twice")
    return members
