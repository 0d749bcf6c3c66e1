"""What stands behind the pages for providers: the files that a person would have, and who answers in their names."""

import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from joserfc.jwk import ECKey, RSAKey

from check.far_servers import Authority, tunnel
from e2e.processes import COMMAND
from key_forms import native, pem
from programs.installed import needed
from providers import examples
from providers.authentications import EXCHANGE, Asserting, Entra
from providers.jwts import Key, Refused, sha256, sign
from providers.servers import Asked, Judge, Server
from raw_server import raw_server

#: Of keys that a provider makes and names.
KID = "281234567890123456"
#: Where metadata, which these configurations leave to be asked for, say that tokens are had.
ENDPOINTS = {
    "https://acme.okta.com": "/oauth2/v1/token",
    "https://acme.okta.com/oauth2/default": "/v1/token",
    "https://acme.eu.auth0.com/": "oauth/token",
    "https://maskinporten.no/": "token",
    "https://idporten.no": "/token",
    "https://acme.zitadel.cloud": "/oauth/v2/token",
    "https://auth.pingone.com/11111111-2222-3333-4444-555555555555/as": "/token",
    "https://hydra.example.com/": "oauth2/token",
    "https://identity.example.com": "/connect/token",
    "https://identity.example.com/": "connect/token",
    "https://acme.verify.ibm.com/oidc/endpoint/default": "/token",
    "https://idp.example.com": "/oauth2/token",
}
GOOGLE = "https://oauth2.googleapis.com/token"
#: Of tokens, where an hour would be untrue.
LIFETIMES = {"auth0": 86400, "smart-backend": 300, "nhs": 599}
Tree = Any


def make_files(commands: Iterable[Sequence[str]], client: Tree, folder: Path) -> None:
    """Those that the page's commands make, and those that come from a provider's console or from kubelet."""
    for program, *arguments in commands:
        for option, name in pairwise(arguments):
            if option == "--out":  # keygen writes over nothing, and an earlier part of the page may have made it
                (folder / name).unlink(missing_ok=True)
        path = COMMAND if program == "token-broker" else needed(program, program)
        subprocess.run([path, *arguments], cwd=folder, check=True, capture_output=True)
    key = pem(native("RSA", 77)).decode()
    google = {"type": "service_account", "client_email": client["client_id"], "private_key_id": KID, "private_key": key}
    zitadel = {"type": "serviceaccount", "userId": client["client_id"], "keyId": KID, "key": key}
    (folder / "google-key.json").write_text(json.dumps(google))
    (folder / "zitadel-key.json").write_text(json.dumps(zitadel))
    if file := client.get("assertion_file"):
        mounted = Path(f"{folder}{file}")
        mounted.parent.mkdir(parents=True, exist_ok=True)
        issuer, subject = examples.CLUSTER
        claims = {"iss": issuer, "sub": subject, "aud": [EXCHANGE], "iat": (now := int(time.time())), "exp": now + 3600}
        mounted.write_text(sign(examples.public_key(), claims, kid="cluster-key"))


def judge_of(name: str, tree: Tree, folder: Path, refused: tuple[int, str, str] | None) -> Judge:
    """Who answers as the provider of the example `name` does, to the configuration `tree`; or refuses."""
    (client,) = tree["clients"].values()
    tokens = list(tree["tokens"].values())
    issuer = client.get("issuer")
    known = examples.Client(
        issuer=issuer,
        token_endpoint=client.get("token_endpoint") or (issuer + ENDPOINTS[issuer] if issuer else GOOGLE),
        client_id=client["client_id"],
        keys=_registered(client, folder),
        scopes=[scope for token in tokens for scope in token.get("scopes", [])],
        subjects=[token["jwt_bearer"]["subject"] for token in tokens if "jwt_bearer" in token],
    )
    judge = examples.BEHIND[name](known)
    if isinstance(judge, Entra) and judge.certificates:
        certificate = load_pem_x509_certificate((folder / client["private_key"]["certificate_file"]).read_bytes())
        judge = replace(judge, certificates={sha256(certificate.public_bytes(Encoding.DER)): known.key})
    if isinstance(judge, Asserting) and "audience" in judge.fields:
        judge = replace(judge, fields={"audience": tokens[0]["audience"]})
    if name == "generic":
        judge = known.asserting(audience=known.token_endpoint, algorithms=("ES256",))
    return _Changed(judge, refused, LIFETIMES.get(name))


def _registered(client: Tree, folder: Path) -> Mapping[str, Key]:
    """Public keys as the provider has them, by kid."""
    entry = client.get("private_key", {"file": ""})
    if not entry["file"] or entry["file"].endswith(".json"):
        return {KID: examples.public_key()}
    content = (folder / entry["file"]).read_bytes()
    if not entry["file"].endswith(".jwk"):
        return {entry.get("kid", ""): RSAKey.import_key(content)}
    members = json.loads(content)
    return {members["kid"]: (RSAKey if members["kty"] == "RSA" else ECKey).import_key(members)}


@dataclass
class _Changed:
    """A provider that refuses with status, code and words, if there are any, and whose tokens live as long as said."""

    judge: Judge
    refused: tuple[int, str, str] | None
    lifetime: int | None

    @property
    def issuer(self) -> str | None:
        return self.judge.issuer

    @property
    def token_endpoint(self) -> str:
        return self.judge.token_endpoint

    def grant(self, asked: Asked) -> dict[str, Any]:
        if self.refused:
            status, code, words = self.refused
            raise Refused(code, words, status=status)
        return self.judge.grant(asked) | ({"expires_in": self.lifetime} if self.lifetime else {})


@asynccontextmanager
async def reached(judge: Judge, folder: Path) -> AsyncIterator[dict[str, str]]:
    """An environment in which the provider's own host is answered for by `judge`."""
    url = urlsplit(judge.token_endpoint)
    authority = Authority(folder, "Example CA")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", Server(f"{url.scheme}://{url.netloc}", judge).answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.context(str(url.hostname))).start()
        async with raw_server(tunnel(runner.addresses[0][1])) as proxy:
            clean = {name: value for name, value in os.environ.items() if not name.startswith("TOKEN_BROKER_")}
            trusted = {"SSL_CERT_FILE": str(authority.file), "NO_PROXY": "", "no_proxy": ""}
            yield {**clean, **trusted, "HTTPS_PROXY": proxy.url, "https_proxy": proxy.url, "COLUMNS": "80"}
    finally:
        await runner.cleanup()
