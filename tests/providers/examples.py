"""The examples in config/ with a server of ours behind them: the addresses are replaced, and the files are made."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from joserfc.jwk import RSAKey

from certificates import certificate_of, pem_of
from key_forms import jwk, native, pem
from providers.authentications import Asserting, Entra
from providers.grants import Digdir, DocuSign, Google, Salesforce, Zitadel
from providers.jwts import Key, sha256, sign
from providers.servers import Judge

CONFIG = Path(__file__).parents[2] / "config"
NAMES = sorted(path.stem for path in CONFIG.glob("*.yaml"))
KID = "test-key"
SECRET = "a-secret-of-sixteen-bytes-or-more"
#: In the year 2100.
FAR = 4102444800
CLUSTER = ("https://cluster.example.com", "system:serviceaccount:shop:reports")
Tree = Any


@dataclass(frozen=True)
class Client:
    """What a server knows of the example's one client."""

    issuer: str | None
    token_endpoint: str
    client_id: str
    keys: Mapping[str, Key]
    scopes: list[str]
    subjects: list[str]

    @property
    def key(self) -> Key:
        return next(iter(self.keys.values()))

    def asserting(self, *, audience: str | None, **rules: Any) -> Asserting:
        """A provider of the usual kind that wants this `audience`."""
        return Asserting(
            issuer=self.issuer,
            token_endpoint=self.token_endpoint,
            client_id=self.client_id,
            keys=self.keys,
            audience=audience or "",
            scopes=self.scopes,
            **rules,
        )


@dataclass(frozen=True)
class Example:
    """A configuration to be run, and who is asked by it."""

    tree: Tree
    client: Client
    judge: Judge

    @property
    def tokens(self) -> dict[str, Tree]:
        return dict(self.tree["tokens"])

    def write(self, folder: Path) -> Path:
        """The configuration file."""
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(self.tree))
        return path


def public_key() -> RSAKey:
    """Of the key that is in all key files."""
    return RSAKey.import_key(dict(jwk(native("RSA", 77)), kid=KID))


def of(name: str, base: str, folder: Path) -> Example:
    """The example `name`, at a server that is reached by `base`; its files are in `folder`."""
    tree = yaml.safe_load((CONFIG / f"{name}.yaml").read_text())
    tree["api"] = {**tree.get("api", {}), "listen": ["127.0.0.1:0"]}
    tree["admin"] = {"listen": ["127.0.0.1:0"]}
    ((_, client),) = tree["clients"].items()
    for key in ("issuer", "token_endpoint"):
        if key in client:
            client[key] = base + urlsplit(client[key]).path
    if client["provider"] == "google":
        client["token_endpoint"] = f"{base}/token"
    if name == "callers":
        del tree["api"]["callers"]["worker"]  # known on a Unix socket only
    tree = _moved(tree, folder)
    known = _client(tree, base)
    for file in _files(tree):
        file.parent.mkdir(parents=True, exist_ok=True)
        if content := _content(file, known.client_id):
            file.write_bytes(content)
    return Example(tree, known, BEHIND[name](known))


def _client(tree: Tree, base: str) -> Client:
    ((_, client),) = tree["clients"].items()
    (key,) = client.get("private_keys") or [client.get("private_key", {})]
    tokens = list(tree["tokens"].values())
    return Client(
        issuer=client.get("issuer"),
        token_endpoint=client.get("token_endpoint", f"{base}/the/token/endpoint"),
        client_id=client["client_id"],
        keys={key.get("kid", KID): public_key()},
        scopes=[scope for token in tokens for scope in token.get("scopes", [])],
        subjects=[token["jwt_bearer"]["subject"] for token in tokens if "jwt_bearer" in token],
    )


def _moved(value: Tree, folder: Path) -> Tree:
    """With all files below `folder`."""
    if isinstance(value, dict):
        return {key: _moved(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_moved(inner, folder) for inner in value]
    return f"{folder}{value}" if isinstance(value, str) and value.startswith(("/var/", "/run/")) else value


def _files(value: Tree) -> Iterator[Path]:
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(inner, str) and inner.startswith("/"):
            yield Path(inner)
        yield from _files(inner)


def _content(file: Path, client_id: str) -> bytes | None:
    """What a provider's console would have given for this file; None where the broker is to make it."""
    key = native("RSA", 77)
    google = {"type": "service_account", "client_email": client_id, "private_key_id": KID}
    zitadel = {"type": "serviceaccount", "userId": client_id, "keyId": KID}
    contents = {
        "google-key.json": json.dumps({**google, "private_key": pem(key).decode()}).encode(),
        "zitadel-key.json": json.dumps({**zitadel, "key": pem(key).decode()}).encode(),
        "private-key.jwk": json.dumps(jwk(key, kid=KID)).encode(),
        "private-key.pem": pem(key),
        "tls.key": pem(key),
        "tls.crt": pem_of(certificate()),
        "azure-identity-token": projected_token().encode(),
        "reports": SECRET.encode(),
    }
    return contents.get(file.name)


@functools.cache
def certificate() -> Certificate:
    """Of the key in all key files."""
    return certificate_of(native("RSA", 77), not_before=0, not_after=FAR)


def projected_token(*, expires: int = FAR) -> str:
    """As kubelet writes it for the service account: its audience is a list."""
    issuer, subject = CLUSTER
    claims = {"iss": issuer, "sub": subject, "aud": ["api://AzureADTokenExchange"], "iat": 0, "exp": expires}
    return sign(public_key(), claims, kid="cluster-key")


def _entra(client: Client) -> Entra:
    thumbprint = sha256(certificate().public_bytes(Encoding.DER))
    return Entra(client.token_endpoint, client.client_id, certificates={thumbprint: client.key})


def _digdir(client: Client, *further: str) -> Digdir:
    known = {"pid", "resource", "authorization_details", "iss_onbehalfof", *further}
    return Digdir(str(client.issuer), client.token_endpoint, client.client_id, client.keys, set(client.scopes), known)


#: Who stands behind each example, and what he checks.
BEHIND: Mapping[str, Callable[[Client], Judge]] = {
    "minimal": lambda c: c.asserting(audience=c.token_endpoint, lifetime=3600, needs_scope=True),
    "callers": lambda c: c.asserting(audience=c.token_endpoint, lifetime=3600, needs_scope=True),
    "okta-org": lambda c: c.asserting(audience=c.token_endpoint, lifetime=3600, needs_scope=True),
    "okta-custom": lambda c: c.asserting(audience=c.token_endpoint, lifetime=3600),
    "okta-dpop": lambda c: c.asserting(audience=c.token_endpoint, lifetime=3600, needs_scope=True, nonce="nonce-1"),
    "generic": lambda c: c.asserting(audience=c.issuer),
    "keycloak": lambda c: c.asserting(audience=c.issuer, lifetime=60),
    "auth0": lambda c: c.asserting(
        audience=c.issuer, needs_kid=False, fields={"audience": "https://orders.example.com/"}
    ),
    "smart-backend": lambda c: c.asserting(
        audience=c.token_endpoint, algorithms=("RS384", "ES384"), typ="JWT", needs_scope=True
    ),
    "pingone": lambda c: c.asserting(audience=c.token_endpoint),
    "ory-hydra": lambda c: c.asserting(audience=c.token_endpoint, fields={"audience": "https://orders.example.com/"}),
    "duende": lambda c: c.asserting(audience=c.issuer),
    "openiddict": lambda c: c.asserting(audience=c.issuer, typ="client-authentication+jwt"),
    "ibm-verify": lambda c: c.asserting(audience=c.issuer, lifetime=86400),
    "nhs": lambda c: c.asserting(audience=c.token_endpoint, algorithms=("RS512",), typ="JWT"),
    "entra": _entra,
    "entra-federated": lambda c: Entra(c.token_endpoint, c.client_id, federated={CLUSTER: c.key}),
    "google": lambda c: Google(
        c.token_endpoint, {c.client_id: c.keys}, {(c.client_id, subject) for subject in c.subjects}
    ),
    "salesforce": lambda c: Salesforce(c.token_endpoint, c.client_id, c.key, c.subjects),
    "maskinporten": lambda c: _digdir(c, "consumer_org"),
    "id-porten": _digdir,
    "docusign": lambda c: DocuSign(c.token_endpoint, c.client_id, [c.key], c.subjects),
    "zitadel": lambda c: Zitadel(str(c.issuer), c.token_endpoint, {c.client_id: c.keys}),
}
