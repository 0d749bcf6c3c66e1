"""Delivery of events to all observers."""

from collections.abc import Iterable

from broker.core.events import Crashed, Event, Observer


class FanOut:
    """Notify every observer, in order. An exception in one affects neither tokens nor the other observers.

    An observer may have an attribute `ignores`, a set of event classes that it does not receive. Every request emits
    two events, and delivering one that is ignored would cost more than a rule of the guard.
    """

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)
        #: Observers of each event class, filled at the first event of a class.
        self._observers_of: dict[type[Event], tuple[Observer, ...]] = {}

    def __call__(self, event: Event) -> None:
        """Notify observers of `event`. Report an observer's failure to all; drop failures while reporting."""
        kind = type(event)
        observers = self._observers_of.get(kind)
        if observers is None:
            observers = self._observers_of[kind] = tuple(
                one for one in self._observers if kind not in getattr(one, "ignores", ())
            )
        for observer in observers:
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - an observer's failure is contained
                if kind is not Crashed:
                    where = type(observer).__name__
                    self(Crashed(where=f"observer {where}", error=type(error).__name__))
