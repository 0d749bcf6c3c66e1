"""Expansion of short forms and omitted keys into the full form, before decoding."""

from broker.config.document import BROKEN, Document, Place, Tree
from broker.config.presets import UNKNOWN, complete_client, complete_token, preset_of
from broker.core.durations import Duration
from broker.core.settings import Http


def expand(document: Document) -> None:
    """Short forms, the top-level `http`, the providers' presets, and the client of a token when there is just one."""
    shared = document.tree.pop("http", None)
    if not isinstance(shared, dict | None):
        document.complain(("http",), "must hold keys (timeout, proxy, …), not a list or a single value")
        shared = None
    clients = _sections(document.tree, "clients")
    presets = {}
    for name, client in clients.items():
        place: Place = ("clients", name)
        _private_key(document, client, place)
        _http(document, client, shared or {}, place)
        _dpop(document, client, place)
        presets[name] = preset_of(client, document.complain, place)
        document.tree["clients"][name] = complete_client(client, presets[name])
    for name, token in _sections(document.tree, "tokens").items():
        if token.get("client") is None and len(clients) == 1:
            token["client"] = next(iter(clients))
        _grant(document, token, ("tokens", name))
        # What names no client may be anything, a list even.
        asks = token["client"] if isinstance(token.get("client"), str) else ""
        document.tree["tokens"][name] = complete_token(token, clients.get(asks, {}), presets.get(asks, UNKNOWN))


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


def _dpop(document: Document, client: dict[str, Tree], place: Place) -> None:
    """`true` is an object without members."""
    match client.get("dpop"):
        case bool(wanted):
            client["dpop"] = {} if wanted else None
        case None | dict():
            pass
        case _:
            document.complain((*place, "dpop"), "must be true, false, or keys (algorithm, targets)")
            client["dpop"] = BROKEN


def _grant(document: Document, token: dict[str, Tree], place: Place) -> None:
    """`grant: {jwt_bearer: {…}}` and `jwt_bearer: {…}` alone mean the same as both keys."""
    grant = token.get("grant")
    if grant is None and token.get("jwt_bearer") is not None:
        token["grant"] = "jwt_bearer"
    if not isinstance(grant, dict):
        return
    here = (*place, "grant")
    if list(grant) != ["jwt_bearer"]:
        document.complain(here, "must be client_credentials, or jwt_bearer: {issuer, subject, scope_in}, all optional")
        token["grant"] = BROKEN
    elif token.get("jwt_bearer") is not None:
        document.complain(here, "holds a jwt_bearer, and there is one beside it; keep one of the two")
        token["grant"] = BROKEN
    else:
        bearer = grant["jwt_bearer"] or {}
        token |= {"grant": "jwt_bearer", "jwt_bearer": bearer}
        document.also((*here, "jwt_bearer"), (*place, "jwt_bearer"), bearer)
