"""A configuration whose every client is answered by the embedded server, for `run --dev` and `demo`."""

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from broker.core.errors import ConfigError
from broker.core.settings import ClientSettings, Http, KeySettings, Settings
from broker.devserver import DevServer
from broker.files.new_files import write_new
from broker.keys.generate import generate


def _folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="token-broker-")
    except OSError as error:
        why = "the keys that are made up here need a folder: mount a writable one at /tmp, or name one in TMPDIR"
        raise ConfigError([why]) from error


@asynccontextmanager
async def embedded(settings: Settings, *, lifetime: float = 3600.0) -> AsyncIterator[tuple[Settings, DevServer]]:
    """`settings` with a fresh key for each client and the embedded server, which knows these keys, as their issuer.

    Its tokens live `lifetime` seconds. The keys are in a folder that only this user can enter, and are gone afterwards.
    """
    with _folder() as folder:
        async with DevServer(lifetime=lifetime) as server:
            clients = {}
            for name, client in settings.clients.items():
                key = generate("ES256")
                file = Path(folder) / f"{name}.jwk"
                write_new(file, json.dumps(key.private_jwk).encode("ascii"), mode=0o600)
                server.register(client.client_id, {"keys": [key.public_jwk]}, dpop=client.dpop is not None)
                clients[name] = _pointed_at(server, client, file)
            tokens = {
                # Secrets that stand in files are not on a laptop either, and the server knows one grant.
                name: replace(token, parameters_file=None, grant="client_credentials")
                for name, token in settings.tokens.items()
            }
            yield replace(settings, clients=clients, tokens=tokens), server


def _pointed_at(server: DevServer, client: ClientSettings, key_file: Path) -> ClientSettings:
    return replace(
        client,
        provider="generic",
        issuer=server.issuer,
        token_endpoint=None,
        private_keys=(KeySettings(file=str(key_file)),),
        assertion_file=None,
        dpop=client.dpop and replace(client.dpop, targets=(*client.dpop.targets, server.issuer)),
        algorithms=(),
        assertion=replace(client.assertion, audience="token_endpoint", claims_file=None),
        http=Http(),
    )
