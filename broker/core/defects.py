"""Defects stay where they happen: an unexpected exception is reported by its type and place, and contained."""

from collections.abc import Iterator
from contextlib import contextmanager

from broker.core.errors import place_of, root_of
from broker.core.events import Crashed, Observer


def defect_of(error: BaseException) -> Crashed:
    """The event for an unexpected exception: its type and place, never its text."""
    bug = root_of(error)
    return Crashed(where=place_of(bug), error=type(bug).__name__)


@contextmanager
def contained(observe: Observer) -> Iterator[None]:
    """Report an unexpected exception as a defect instead of raising it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a defect can raise anything
        observe(defect_of(error))
