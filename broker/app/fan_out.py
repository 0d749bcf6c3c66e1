"""What happens is told to whoever watches."""

from collections.abc import Iterable

from broker.core.events import Crashed, Event, Observer


class FanOut:
    """Tells every observer, in their order. One that raises has a bug; it costs neither a token nor the others' turn.

    An observer may have an attribute `ignores`, a set of kinds of events: those it is not told. Every request has two
    events, and being told in vain costs each of them more than a rule of the guard does.
    """

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)
        #: Who is told an event of each kind; filled when the first of a kind comes.
        self._told: dict[type[Event], tuple[Observer, ...]] = {}

    def __call__(self, event: Event) -> None:
        """Tell `event`; the failures of observers are told to the others, those of that telling to nobody."""
        kind = type(event)
        told = self._told.get(kind)
        if told is None:
            told = self._told[kind] = tuple(one for one in self._observers if kind not in getattr(one, "ignores", ()))
        for observer in told:
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - whatever an observer raises
                if kind is not Crashed:
                    where = type(observer).__name__
                    self(Crashed(where=f"observer {where}", error=type(error).__name__))
