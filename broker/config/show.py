"""Settings -> the file that says them, whole: presets, defaults and overrides in place, secrets hidden."""

from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml

from broker.core.settings import Settings

HIDDEN = "(hidden)"
#: Placeholder inside a URL, where brackets are invalid.
HIDDEN_USER = "hidden"


def show(settings: Settings) -> str:
    """YAML that loads to the same settings, but for what is hidden: parameters, claims and the users of proxies."""
    tree = msgspec.to_builtins(settings, enc_hook=str)
    for client in tree["clients"].values():
        if not client["private_keys"]:
            del client["private_keys"]
        client["assertion"]["claims"] = dict.fromkeys(client["assertion"]["claims"], HIDDEN)
        client["http"]["proxy"] = _without_user(client["http"]["proxy"])
    for token in tree["tokens"].values():
        token["parameters"] = dict.fromkeys(token["parameters"], HIDDEN)
    return yaml.safe_dump(_dollars(tree), sort_keys=False, allow_unicode=True, width=4096)


def _without_user(proxy: str | None) -> str | None:
    if not proxy or "@" not in proxy:
        return proxy
    parts = urlsplit(proxy)
    return parts._replace(netloc=f"{HIDDEN_USER}@{parts.netloc.rpartition('@')[2]}").geturl()


def _dollars(value: Any) -> Any:  # noqa: ANN401 - what to_builtins makes
    if isinstance(value, dict):
        return {key: _dollars(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_dollars(inner) for inner in value]
    return value.replace("$", "$$") if isinstance(value, str) else value
