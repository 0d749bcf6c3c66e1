"""The configuration in variables: one client and one token without a file, and overrides over either form."""

from collections.abc import Mapping
from typing import Any

from broker.config.document import BROKEN, Document, Origin, Place
from broker.providers import PRESETS

PREFIX = "TOKEN_BROKER_"
CLIENT: Place = ("clients", "default")
TOKEN: Place = ("tokens", "default")
#: The variables of the file-less form and their keys.
FORM: Mapping[str, Place] = {
    "TOKEN_BROKER_ISSUER": (*CLIENT, "issuer"),
    "TOKEN_BROKER_PROVIDER": (*CLIENT, "provider"),
    "TOKEN_BROKER_CLIENT_ID": (*CLIENT, "client_id"),
    "TOKEN_BROKER_KEY_FILE": (*CLIENT, "private_keys", 0, "file"),
    "TOKEN_BROKER_KEY_ID": (*CLIENT, "private_keys", 0, "kid"),
    "TOKEN_BROKER_SCOPES": (*TOKEN, "scopes"),
    "TOKEN_BROKER_AUDIENCE": (*TOKEN, "audience"),
}
NEEDED = ("issuer", "client_id", "key_file")
#: Variables that override a file as well as the file-less form.
OVERRIDES: Mapping[str, tuple[str, str]] = {
    "TOKEN_BROKER_API_LISTEN": ("api", "listen"),
    "TOKEN_BROKER_ADMIN_LISTEN": ("admin", "listen"),
    "TOKEN_BROKER_LOG_LEVEL": ("log", "level"),
    "TOKEN_BROKER_LOG_FORMAT": ("log", "format"),
}
TOKENS = "TOKEN_BROKER_TOKENS"
CONFIG = "TOKEN_BROKER_CONFIG"


def form(environ: Mapping[str, str]) -> list[str]:
    """Return the set variables of the file-less form; empty ones count as unset, as in compose files."""
    return [name for name in FORM if environ.get(name)]


def read(environ: Mapping[str, str]) -> Document:
    """Read one client and one token, both named `default`."""
    said: dict[str, Any] = {name.removeprefix(PREFIX).lower(): environ.get(name) or None for name in FORM}
    # What variables cannot say depends on the provider, or belongs to the token.
    origins = {(): Origin("variables"), CLIENT: Origin(f"{PREFIX}PROVIDER"), TOKEN: Origin(f"{PREFIX}SCOPES")}
    document = Document({}, origins | {place: Origin(name) for name, place in FORM.items()})
    for key in NEEDED:
        if said[key] is None and not (key == "issuer" and _has_endpoint(said["provider"])):
            place = FORM[PREFIX + key.upper()]
            document.complain(place, "is not set, and there is no configuration file that would say it")
            said[key] = BROKEN
    client = {key: said[key] for key in ("issuer", "provider", "client_id")}
    client["private_keys"] = [{"file": said["key_file"], "kid": said["key_id"]}]
    token = {"scopes": (said["scopes"] or "").split(), "audience": said["audience"]}
    document.tree = {"clients": {"default": client}, "tokens": {"default": token}}
    return document


def _has_endpoint(provider: str | None) -> bool:
    """Whether the provider has one token endpoint for all customers."""
    return provider is not None and provider in PRESETS and "token_endpoint" in PRESETS[provider].client


def override(document: Document, environ: Mapping[str, str]) -> None:
    """Apply the overriding variables to `document`."""
    for name, (section, key) in OVERRIDES.items():
        if not (text := environ.get(name, "").strip()):
            continue
        if document.tree.get(section) is None:
            document.tree[section] = {}
        if not isinstance(document.tree[section], dict):
            continue
        place = (section, key)
        for old in [old for old in document.origins if old[:2] == place]:
            del document.origins[old]
        document.origins[place] = Origin(name)
        document.tree[section][key] = items(text) if key == "listen" else text


def items(text: str) -> list[str]:
    """Split a comma-separated list."""
    return [item.strip() for item in text.split(",") if item.strip()]
