"""Provider presets as defaults: values in the configuration take precedence, key by key."""

import re
from collections.abc import Mapping

from broker.config import addresses
from broker.config.document import BROKEN, Complain, Place, Tree
from broker.config.unknown import nearest
from broker.providers import PRESETS, Preset

#: Where a provider is none, and said to be.
UNKNOWN = Preset(title="", client={"assertion": {"audience": BROKEN}})
#: Where somebody else makes the assertion its audience is nobody's business here.
UNASKED = {"assertion": {"audience": "token_endpoint"}}
#: As `jwt_bearer.subject`: the client's own.
CLIENT_ID = "client_id"


def preset_of(client: Mapping[str, Tree], complain: Complain, place: Place) -> Preset:
    """Return the preset that `client` names; complain about an unknown name."""
    provider = client.get("provider")
    if provider is None:
        return PRESETS["generic"]
    if isinstance(provider, str) and provider in PRESETS:
        return PRESETS[provider]
    if isinstance(provider, str | int):
        name = str(provider)
        text = f"there is no provider {name!r:.60}{nearest(name, PRESETS)}; there are {', '.join(PRESETS)}"
        complain((*place, "provider"), text)
    return UNKNOWN


def complete_client(written: dict[str, Tree], preset: Preset) -> dict[str, Tree]:
    """Merge `written` over `preset`."""
    server = written.get("token_endpoint") or written.get("issuer") or preset.client.get("token_endpoint")
    origin = addresses.origin(server) if isinstance(server, str) else None
    laid: dict[str, Tree] = written
    for partial in (*_elsewhere(preset, origin or ""), preset.client):
        laid = _under(laid, partial)
    if written.get("assertion_file") is not None:
        laid = _under(laid, UNASKED)
    if preset.own_api and origin and re.fullmatch(preset.own_api, addresses.path(str(server))):
        dpop = laid.get("dpop")
        if isinstance(dpop, dict):
            laid = laid | {"dpop": _under(dpop, {"targets": [origin]})}
    return laid


def complete_token(written: dict[str, Tree], client: Mapping[str, Tree], preset: Preset) -> dict[str, Tree]:
    """Merge `written` over `preset`, the preset of `client`."""
    partial = preset.token
    if written.get("grant") not in (None, "jwt_bearer"):
        partial = {key: value for key, value in partial.items() if key != "jwt_bearer"}
    laid: dict[str, Tree] = _under(written, partial)
    bearer = laid.get("jwt_bearer")
    if isinstance(bearer, dict) and bearer.get("subject") == CLIENT_ID:
        laid = laid | {"jwt_bearer": bearer | {"subject": client.get("client_id")}}
    return laid


def _elsewhere(preset: Preset, origin: str) -> list[Mapping[str, Tree]]:
    host = addresses.host(origin)
    return [partial for pattern, partial in preset.elsewhere.items() if re.fullmatch(pattern, host)]


def _under(written: Tree, partial: Tree) -> Tree:
    if not (isinstance(written, dict) and isinstance(partial, Mapping)):
        return partial if written is None else written
    return written | {key: _under(written.get(key), value) for key, value in partial.items()}
