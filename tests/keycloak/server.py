"""Keycloak as a test sees it: a second independent judge of what the broker sends, with its own opinions.

It is the whole server in development mode, on loopback, with a database in memory. The realm is made up at run time and
imported at start; clients are registered over the Admin REST API while it runs. Why it refused somebody is in its
events, which its administrators read too.
"""

import contextlib
import http.client
import json
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

import msgspec

from interop.provider import PrivateKey, new_key, public_jwks, write_private_jwk
from keycloak.distribution import alone, installed, proven
from programs.installed import needed

REALM = "acme"
#: An optional client scope, granted to who asks for it.
SCOPE = "reports-read"
#: Seconds; it starts within ten on an idle machine, within thirty for the first time, when it compiles itself.
PATIENCE = 180.0
#: Ends a server whose test run was killed.
LONGEST_LIFE = "40m"
#: Half the memory and a fifth less start-up time than with the defaults, which are for servers that run for months.
JVM = "-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC"
HEAP = "-Xms64m -Xmx512m"
T = TypeVar("T")
Json = dict[str, Any]


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A registration; `key_file` holds the private JWK, `id` is Keycloak's own name for it."""

    client_id: str
    id: str
    key: PrivateKey
    key_file: Path


class Keycloak:
    """A running server with the realm `REALM`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, secret: str) -> None:
        self._process = process
        self._log = log
        #: Of the administrator `admin`, and of the client that registers others.
        self.secret = secret
        self.address = self._wait(lambda: re.search(r"Listening on: http://(\S+)", log.read_text()))[1]
        self.issuer = f"http://{self.address}/realms/{REALM}"
        self.token_endpoint = f"{self.issuer}/protocol/openid-connect/token"
        #: A resource of Keycloak's own: for whoever has a token with the scope `openid`.
        self.userinfo = f"{self.issuer}/protocol/openid-connect/userinfo"
        scope = {"name": SCOPE, "protocol": "openid-connect", "attributes": {"include.in.token.scope": "true"}}
        self._scope = self.admin("POST", "client-scopes", scope)["id"]

    def client(self, algorithm: str = "ES256", *, keys: Sequence[PrivateKey] = (), **attributes: str) -> Client:
        """Registers a new service account client that proves itself by a signed JWT.

        Its public keys are `keys`, by default one made for `algorithm`, unless `attributes` say otherwise. Those are
        Keycloak's, with underscores for dots, such as `jwks_url`.
        """
        client_id = f"client-{uuid4().hex[:12]}"
        key = keys[0] if keys else new_key(algorithm)
        key_file = self._log.with_name(f"{client_id}.jwk")
        write_private_jwk(key_file, key)
        imported = {"use_jwks_string": "true", "jwks_string": json.dumps(public_jwks(*(keys or [key])))}
        where = {"use_jwks_url": "true"} if "jwks_url" in attributes else imported
        settings = {
            "clientId": client_id,
            "publicClient": False,
            "serviceAccountsEnabled": True,
            "standardFlowEnabled": False,
            "clientAuthenticatorType": "client-jwt",
            "attributes": _dotted(where | attributes),
        }
        made = self.admin("POST", "clients", settings)
        self.admin("PUT", f"clients/{made['id']}/optional-client-scopes/{self._scope}")
        return Client(client_id=client_id, id=made["id"], key=key, key_file=key_file)

    def change(self, client: Client, attributes: Mapping[str, str] = {}, **members: object) -> None:
        """Changes what is registered; `attributes` as in `client`, `members` are the Admin API's, such as `enabled`."""
        path = f"clients/{client.id}"
        known = self.admin("GET", path)
        self.admin("PUT", path, known | members | {"attributes": known["attributes"] | _dotted(attributes)})

    def refused(self, client: Client) -> list[Json]:
        """The details of the refusals that this client got so far, the newest first."""
        query = urlencode({"client": client.client_id, "type": "CLIENT_LOGIN_ERROR"})
        return [event["details"] | {"error": event["error"]} for event in self.admin("GET", f"events?{query}")]

    @contextlib.contextmanager
    def known_as(self, frontend: str) -> Iterator[None]:
        """For a while the realm takes this URL for its own, whatever it is reached by (Frontend URL)."""
        self.admin("PUT", "", {"attributes": {"frontendUrl": frontend}})
        try:
            yield
        finally:
            self.admin("PUT", "", {"attributes": {"frontendUrl": ""}})

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """One call of the Admin REST API below the realm; what it made, if it made something."""
        form = {"grant_type": "client_credentials", "client_id": "registrar", "client_secret": self.secret}
        endpoint = f"/realms/{REALM}/protocol/openid-connect/token"
        answer = self._call("POST", endpoint, urlencode(form), "application/x-www-form-urlencoded")
        where = f"/admin/realms/{REALM}/{path}"
        return self._call(method, where, json.dumps(body), "application/json", bearer=answer["access_token"])

    def _call(self, method: str, path: str, body: str, media_type: str, *, bearer: str = "") -> Any:
        headers = {"Content-Type": media_type} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=30)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
        assert answer.status < 300, f"{method} {path}: {answer.status} {text!r}"
        if location := answer.getheader("Location"):
            return {"id": location.rsplit("/", 1)[1]}
        return json.loads(text) if text else None

    def _wait(self, look: Callable[[], T | None]) -> T:
        deadline = time.monotonic() + PATIENCE
        while not (found := look()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                msg = f"Keycloak does not start: {self._log.read_text()[-4000:]}"
                raise TimeoutError(msg)
            time.sleep(0.05)
        return found


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Keycloak]:
    """A server of one's own; what it says is kept in `directory`."""
    needed("java", "default-jre-headless")
    home, log, secret = directory / "keycloak", directory / "keycloak.log", secrets.token_urlsafe(24)
    command = [needed("timeout", "coreutils"), "--kill-after=10s", LONGEST_LIFE, f"{home}/bin/kc.sh", "start-dev"]
    options = ["--http-host=127.0.0.1", "--http-port=0", "--db=dev-mem", "--cache=local", "--import-realm"]
    administrator = {"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": secret}
    environment = {"PATH": os.environ["PATH"], "JAVA_OPTS_KC_HEAP": HEAP, "JAVA_OPTS_APPEND": JVM, **administrator}
    # Until it listens nobody else may start one: at its first start it compiles itself, in place.
    with contextlib.ExitStack() as until_ready, log.open("wb") as output:
        until_ready.enter_context(alone())
        distribution = installed()
        _lay_out(home, distribution)
        (home / "data/import" / f"{REALM}-realm.json").write_text(json.dumps(_realm(secret)))
        with subprocess.Popen([*command, *options], env=environment, stdout=output, stderr=output) as process:
            try:
                server = Keycloak(process, log, secret)
                proven(distribution)
                until_ready.close()
                yield server
            finally:
                process.terminate()


def _lay_out(home: Path, distribution: Path) -> None:
    """A home of its own for each server: it writes into `data`, and shares what is large."""
    (home / "data/import").mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "providers").mkdir()
    shutil.copy(distribution / "bin/kc.sh", home / "bin")
    shutil.copytree(distribution / "conf", home / "conf")
    (home / "lib").symlink_to(distribution / "lib")


def _realm(secret: str) -> Json:
    """The realm, with one client that may register others."""
    return {
        "realm": REALM,
        "enabled": True,
        "eventsEnabled": True,
        "clients": [{"clientId": "registrar", "secret": secret, "serviceAccountsEnabled": True}],
        "users": [
            {
                "username": "service-account-registrar",
                "enabled": True,
                "serviceAccountClientId": "registrar",
                "clientRoles": {"realm-management": ["manage-clients", "manage-realm", "view-events"]},
            }
        ],
    }


def _dotted(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "."): value for name, value in attributes.items()}
