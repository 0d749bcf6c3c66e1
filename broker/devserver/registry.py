"""Registered clients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from broker.devserver.keysets import FileKeys, InlineKeys, KeySource, RemoteKeys, parse

#: The client id whose registration applies to every unregistered client.
ANYONE = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registered client."""

    client_id: str
    keys: Mapping[str, object] | Path | str | None
    """A JWKS or JWK, a file that holds one (re-read for each request), or its URL. `None` skips signature checks."""
    scopes: frozenset[str] | None = None
    """The granted scopes; `None` grants all that are requested."""
    dpop: bool = False
    """Require DPoP. Otherwise tokens are bound only if the request carries a proof."""


class Registry:
    """Clients by client id."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._clients: dict[str, tuple[Client, KeySource | None]] = {}

    def register(self, client: Client) -> None:
        """Add or replace a client. Raises ValueError if `keys` is not a JWKS."""
        self._clients[client.client_id] = client, self._source(client.keys)

    def __contains__(self, client_id: object) -> bool:
        return client_id in self._clients or ANYONE in self._clients

    def __getitem__(self, client_id: str) -> tuple[Client, KeySource | None]:
        """Return the client and its key source; without a source, signatures are not checked."""
        return self._clients[client_id if client_id in self._clients else ANYONE]

    def scopes(self) -> frozenset[str]:
        """All scopes granted to any client: the known scopes."""
        return frozenset().union(*(client.scopes or () for client, _ in self._clients.values()))

    def _source(self, keys: Mapping[str, object] | Path | str | None) -> KeySource | None:
        match keys:
            case None:
                return None
            case Path():
                return FileKeys(keys)
            case str():
                return RemoteKeys(keys, self._now)
            case _:
                return InlineKeys(parse(keys))
