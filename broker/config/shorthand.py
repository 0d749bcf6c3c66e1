"""What may be left unsaid in the file is said here, in the file's own words, so that one type fits all."""

from collections.abc import Mapping

from broker.config.document import BROKEN, Complain, Document, Place, Tree
from broker.config.unknown import nearest
from broker.durations import Duration
from broker.providers import PRESETS
from broker.settings import Http


def expand(document: Document) -> None:
    """The provider's preset, `private_key`, the top-level `http`, and the client of a token when there is just one."""
    shared = document.tree.pop("http", None)
    if not isinstance(shared, dict | None):
        document.complain(("http",), "must hold keys (timeout, proxy, …), not a list or a single value")
        shared = None
    clients = _sections(document.tree, "clients")
    for name, client in clients.items():
        place: Place = ("clients", name)
        _private_key(document, client, place)
        _http(document, client, shared or {}, place)
        preset = _preset(document.complain, client.get("provider"), (*place, "provider"))
        document.tree["clients"][name] = _under(client, preset)
    for token in _sections(document.tree, "tokens").values():
        if token.get("client") is None and len(clients) == 1:
            token["client"] = next(iter(clients))


def _sections(tree: dict[str, Tree], key: str) -> dict[str, dict[str, Tree]]:
    """The clients or the tokens; what is written there and does not hold keys is left to `decode`."""
    written = tree.get(key)
    if not isinstance(written, dict):
        return {}
    for name, section in written.items():
        if section is None:
            written[name] = {}
    return {name: section for name, section in written.items() if isinstance(section, dict)}


def _private_key(document: Document, client: dict[str, Tree], place: Place) -> None:
    key = client.pop("private_key", None)
    if key is None:
        return
    if client.get("private_keys") is not None:
        document.complain((*place, "private_key"), "is written beside private_keys; keep one of the two")
        return
    client["private_keys"] = [key]
    document.also((*place, "private_key"), (*place, "private_keys", 0), key)


def _http(document: Document, client: dict[str, Tree], shared: dict[str, Tree], place: Place) -> None:
    own = client.get("http")
    if own is not None and not isinstance(own, dict):
        return
    document.also(("http",), (*place, "http"), shared)
    http = client["http"] = {**shared, **(own or {})}
    if http.get("connect_timeout") is None and http.get("timeout") is not None:
        try:
            timeout = Duration.parse(http["timeout"])
        except ValueError:
            return
        if 0 < timeout < Http().connect_timeout:
            http["connect_timeout"] = http["timeout"]


def _preset(complain: Complain, provider: object, place: Place) -> Mapping[str, Tree]:
    if provider is None:
        return PRESETS["generic"].client
    if isinstance(provider, str) and provider in PRESETS:
        return PRESETS[provider].client
    if isinstance(provider, str | int):
        name = str(provider)
        complain(place, f"there is no provider {name!r:.60}{nearest(name, PRESETS)}; there are {', '.join(PRESETS)}")
    return {"assertion": {"audience": BROKEN}}


def _under(written: Tree, preset: Tree) -> Tree:
    if not (isinstance(written, dict) and isinstance(preset, Mapping)):
        return preset if written is None else written
    return written | {key: _under(written.get(key), value) for key, value in preset.items()}
