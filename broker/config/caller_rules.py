"""Rules for callers and for the lists that name them. Contents of secret files are not checked here."""

from collections.abc import Collection, Iterator

from broker.config.complaint import Complaint, once
from broker.config.document import Place
from broker.config.unknown import nearest
from broker.core.settings import ANONYMOUS, Api, CallerSettings


def check(api: Api, place: Place) -> Iterator[Complaint]:
    """Yield every complaint about the callers."""
    over_unix = any(address.startswith("unix:") for address in api.listen)
    seen: dict[str | int, str] = {}
    for name, caller in api.callers.items():
        here = (*place, "callers", name)
        yield from _caller(name, caller, here)
        if caller.uid is not None and not over_unix:
            yield (
                (*here, "uid"),
                "is known on a Unix socket only; add one to api.listen, like unix:/run/token-broker/api.sock",
            )
        for key, mark in (("secret_file", caller.secret_file), ("uid", caller.uid)):
            if mark is not None and (other := seen.setdefault(mark, name)) != name:
                yield (*here, key), f"is that of the caller {other} too; callers are told apart by it"


def _caller(name: str, caller: CallerSettings, place: Place) -> Iterator[Complaint]:
    if name == ANONYMOUS:
        yield place, "is the name of whoever is no caller; take another"
    if (caller.secret_file is None) == (caller.uid is None):
        yield place, "is known either by its secret_file or by its uid; write one of the two"
    elif caller.create and caller.secret_file is None:
        yield (*place, "create"), "makes a secret, and this caller has none; take it out"


def check_list(callers: Collection[str] | None, known: Collection[str], place: Place) -> Iterator[Complaint]:
    """Yield every complaint about a token's list of callers."""
    yield from once(place, tuple(callers or ()))
    for name in callers or ():
        if name != ANONYMOUS and name not in known:
            meant = nearest(name, (*known, ANONYMOUS)) or f"; there is {', '.join(known) or 'none'} in api.callers"
            yield place, f"there is no caller {name!r:.80}{meant}"
