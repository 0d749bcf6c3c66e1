"""The way in: where the configuration is, and everything between there and `Settings`."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from broker.config import environment, file, rules
from broker.config.decode import Decoder
from broker.config.document import Document
from broker.config.file import ConfigFile
from broker.config.interpolate import interpolate
from broker.config.shorthand import expand
from broker.config.unknown import nearest
from broker.core.errors import ConfigError
from broker.core.settings import Settings

DEFAULT_PATH = "/etc/token-broker/config.yaml"


class Configuration(Struct, frozen=True):
    """What the broker runs with, and the file it was read from (None: variables), to be asked whether it `changed`."""

    settings: Settings
    file: ConfigFile | None


def load(path: str | None, environ: Mapping[str, str]) -> Settings:
    """The settings alone, as `read` gives them. Raises ConfigError with every complaint."""
    return read(path, environ).settings


def read(path: str | None, environ: Mapping[str, str], default: str = DEFAULT_PATH) -> Configuration:
    """The settings from the file at `path`, else `$TOKEN_BROKER_CONFIG`, else `default`, or from variables.

    Paths in a file are relative to its folder, paths in variables to the working directory. Raises ConfigError with
    every complaint.
    """
    document, source, folder = _written(path, environ, default)
    environment.override(document, environ)
    expand(document)
    settings = Decoder(document.complain, folder).settings(document.tree)
    for place, text in rules.check(
        settings, _names(document, "clients"), source=source.path if source else None, real=os.path.realpath
    ):
        if not document.complained(place):
            document.complain(place, text)
    chosen = environment.items(environ.get(environment.TOKENS, ""))
    complaints = [*document.sentences(), *_unknown(chosen, _names(document, "tokens"))]
    if complaints:
        raise ConfigError(complaints)
    return Configuration(_only(settings, chosen), source)


def _written(path: str | None, environ: Mapping[str, str], default: str) -> tuple[Document, ConfigFile | None, str]:
    path = path or environ.get(environment.CONFIG) or (default if file.present(default) else None)
    form = environment.form(environ)
    if path and form:
        raise ConfigError([f"{path} and {', '.join(form)} are both there; unset the variables or do without the file"])
    if path:
        document, source = file.read(path)
        interpolate(document, environ)
        return document, source, str(Path(path).parent.absolute())
    if form:
        return environment.read(environ), None, str(Path.cwd())
    message = (
        f"there is no configuration: write {default}, name another file with --config or {environment.CONFIG}, or set"
        f" variables instead: {', '.join(environment.FORM)}"
    )
    raise ConfigError([message])


def _names(document: Document, section: str) -> Collection[str]:
    """The names that were written, well or not, but for those that no sentence could show."""
    written = document.tree.get(section)
    return [name for name in written if name.isprintable()] if isinstance(written, dict) else []


def _unknown(chosen: list[str], known: Collection[str]) -> list[str]:
    there = f"; there is {', '.join(known)}"
    return [
        f"{environment.TOKENS}: there is no token {name!r:.80}{nearest(name, known) or there}"
        for name in chosen
        if name not in known
    ]


def _only(settings: Settings, chosen: list[str]) -> Settings:
    """The chosen tokens and their clients: the other clients' keys may not even be mounted. None chosen: all."""
    if not chosen:
        return settings
    tokens = {name: token for name, token in settings.tokens.items() if name in chosen}
    used = {token.client for token in tokens.values()}
    clients = {name: client for name, client in settings.clients.items() if name in used}
    return msgspec.structs.replace(settings, clients=clients, tokens=tokens)
