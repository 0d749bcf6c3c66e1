"""Who may ask for tokens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from broker.devserver.keysets import BehindUrl, Given, InFile, KeySource, parse

#: A client registered under this name stands for every client that is not registered itself.
ANYONE = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registration.

    `keys` is a JWKS (or one JWK), a file that holds one and is re-read, or the URL of one. `None`: any key will do,
    since without the public key no signature can be checked. `scopes` are those granted; `None`: all asked for.
    `dpop`: its tokens must be bound to a key ("Require DPoP"); other clients' are when they send a proof.
    """

    client_id: str
    keys: Mapping[str, object] | Path | str | None
    scopes: frozenset[str] | None = None
    dpop: bool = False


class Registry:
    """The clients by their id."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._clients: dict[str, tuple[Client, KeySource | None]] = {}

    def register(self, client: Client) -> None:
        """Replaces an earlier registration. Raises ValueError with a sentence when `keys` is no JWKS."""
        self._clients[client.client_id] = client, self._source(client.keys)

    def __contains__(self, client_id: object) -> bool:
        return client_id in self._clients or ANYONE in self._clients

    def __getitem__(self, client_id: str) -> tuple[Client, KeySource | None]:
        """The registration, and where its keys are; no source means that signatures go unchecked."""
        return self._clients[client_id if client_id in self._clients else ANYONE]

    def scopes(self) -> frozenset[str]:
        """Every scope that some client has: the ones there are."""
        return frozenset().union(*(client.scopes or () for client, _ in self._clients.values()))

    def _source(self, keys: Mapping[str, object] | Path | str | None) -> KeySource | None:
        match keys:
            case None:
                return None
            case Path():
                return InFile(keys)
            case str():
                return BehindUrl(keys, self._now)
            case _:
                return Given(parse(keys))
