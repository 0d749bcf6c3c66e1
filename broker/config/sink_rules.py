"""What must hold for the files that tokens are written to: they replace whatever is there."""

import re
from collections.abc import Iterator

from broker.config.complaint import Complaint
from broker.config.document import Place
from broker.settings import ANONYMOUS, Settings, SinkSettings

#: Readers only, besides the owner.
MODE = re.compile(r"0?[46][04][04]")


def check(settings: Settings) -> Iterator[Complaint]:
    """Everything that is wrong with the sinks of all tokens."""
    taken = _files(settings)
    for name, token in settings.tokens.items():
        needs_caller = settings.api.callers if token.callers is None else ANONYMOUS not in token.callers
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
            if other := taken.get(sink.path):
                yield (*place, "path"), f"would be written over: it is {other} too"
            taken.setdefault(sink.path, f"tokens.{name}.sinks[{position}]")


def _sink(sink: SinkSettings, place: Place) -> Iterator[Complaint]:
    if not MODE.fullmatch(sink.mode):
        yield (
            (*place, "mode"),
            f'{sink.mode!r:.20} is not a mode like "0640": the owner may write, others read, nobody run it',
        )


def _files(settings: Settings) -> dict[str, str]:
    """The files that the broker reads, and what each one is."""
    files: dict[str, str | None] = {}
    for name, caller in settings.api.callers.items():
        files[f"api.callers.{name}.secret_file"] = caller.secret_file
    for name, client in settings.clients.items():
        for position, key in enumerate(client.private_keys):
            here = f"clients.{name}.private_keys[{position}]"
            files |= {f"{here}.{part}": getattr(key, part) for part in ("file", "kid_file", "passphrase_file")}
        files[f"clients.{name}.assertion.claims_file"] = client.assertion.claims_file
        files |= {
            f"clients.{name}.http.{part}": getattr(client.http, part) for part in ("ca_file", "proxy_password_file")
        }
    for name, token in settings.tokens.items():
        files[f"tokens.{name}.parameters_file"] = token.parameters_file
    return {path: key for key, path in files.items() if path}
