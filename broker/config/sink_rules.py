"""Rules for the files that tokens are written to, which replace existing files."""

import re
from collections.abc import Callable, Iterator
from pathlib import PurePath

from broker.config.complaint import Complaint
from broker.config.document import Place
from broker.core.settings import ANONYMOUS, Settings, SinkSettings

KEY_FILES = ("file", "kid_file", "passphrase_file", "certificate_file")
#: Permissions besides the owner's: read only.
MODE = re.compile(r"0?[46][04][04]")


def check(settings: Settings, *, source: str | None, real: Callable[[str], str]) -> Iterator[Complaint]:
    """Everything that is wrong with the sinks of all tokens; `source` is the configuration file, if there is one.

    `real` follows the symlinks of a path.
    """
    taken: dict[str, str] = {}
    for file, what in _files(settings, source).items():
        # Either would be lost: a symlink by that name, and what it leads to.
        taken |= {_place(file, real): what, real(file): what}
    for name, token in settings.tokens.items():
        needs_caller = settings.api.callers if token.callers is None else ANONYMOUS not in token.callers
        client = settings.clients.get(token.client)
        for position, sink in enumerate(token.sinks):
            place = ("tokens", name, "sinks", position)
            yield from _sink(sink, place)
            if needs_caller and not sink.ignores_callers:
                yield (
                    place,
                    (
                        "gives the token to whoever may read the file, and it is for callers only; write"
                        " ignores_callers: true if that is meant"
                    ),
                )
            if client and client.dpop:
                yield (
                    place,
                    (
                        "holds no proofs, and a DPoP token is worth nothing without one for each request; take it out,"
                        f" and have the workload ask POST /v1/tokens/{name}/proof"
                    ),
                )
            target = _place(sink.path, real)
            if other := taken.get(target):
                yield (*place, "path"), f"would be written over: it is {other} too"
            taken.setdefault(target, f"tokens.{name}.sinks[{position}]")


def _place(path: str, real: Callable[[str], str]) -> str:
    """What a sink at `path` replaces: a symlink there is not followed. Whoever shares the folder may have put one."""
    written = PurePath(path)
    return str(PurePath(real(str(written.parent)), written.name))


def _sink(sink: SinkSettings, place: Place) -> Iterator[Complaint]:
    if not MODE.fullmatch(sink.mode):
        yield (
            (*place, "mode"),
            f'{sink.mode!r:.20} is not a mode like "0640": the owner may write, others read, nobody run it',
        )


def _files(settings: Settings, source: str | None) -> dict[str, str]:
    """The files that the broker reads, and the sockets it listens on, and what each one is."""
    files: dict[str, str | None] = {"the configuration file": source}
    for position, address in enumerate(settings.api.listen):
        if address.startswith("unix:"):
            files[f"api.listen[{position}]"] = address.removeprefix("unix:")
    for name, caller in settings.api.callers.items():
        files[f"api.callers.{name}.secret_file"] = caller.secret_file
    for name, client in settings.clients.items():
        for position, key in enumerate(client.private_keys):
            here = f"clients.{name}.private_keys[{position}]"
            files |= {f"{here}.{part}": getattr(key, part) for part in KEY_FILES}
        files[f"clients.{name}.assertion_file"] = client.assertion_file
        files[f"clients.{name}.assertion.claims_file"] = client.assertion.claims_file
        files |= {
            f"clients.{name}.http.{part}": getattr(client.http, part) for part in ("ca_file", "proxy_password_file")
        }
    for name, token in settings.tokens.items():
        files[f"tokens.{name}.parameters_file"] = token.parameters_file
    return {path: key for key, path in files.items() if path}
