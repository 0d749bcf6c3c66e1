"""Token requests that no line of the broker made, to hear what Keycloak itself says to each."""

import base64
import http.client
import json
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from joserfc import jwt

from interop.provider import PrivateKey
from keycloak.server import Client, Keycloak

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: What makes a public key (RFC 7638 section 3.2): all that the header of a proof holds.
PUBLIC = ("kty", "crv", "x", "y", "n", "e")
Json = dict[str, Any]


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: Json

    @property
    def error(self) -> str:
        return str(self.body.get("error", ""))

    @property
    def description(self) -> str:
        return str(self.body.get("error_description", ""))


def assertion(
    server: Keycloak, client: Client, *, key: PrivateKey | None = None, header: Json | None = None, **otherwise: object
) -> str:
    """What RFC 7523 section 3 asks for, but for the members that are said `otherwise`; `None` leaves one out."""
    key = key or client.key
    algorithm = str(key.get("alg"))
    now = int(time.time())
    usual = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": server.issuer,
        "iat": now,
        "exp": now + 60,
        "jti": uuid4().hex,
    }
    return _signed({"alg": algorithm, "kid": key.kid}, header, usual, otherwise, key)


def proof(
    server: Keycloak, key: PrivateKey, *, header: Json | None = None, method: str = "POST", **otherwise: object
) -> str:
    """What RFC 9449 section 4.2 asks for, for the token endpoint; as `assertion`."""
    jwk = {name: value for name, value in key.as_dict(private=False).items() if name in PUBLIC}
    usual = {"htm": method, "htu": server.token_endpoint, "iat": int(time.time()), "jti": uuid4().hex}
    return _signed({"typ": "dpop+jwt", "alg": str(key.get("alg")), "jwk": jwk}, header, usual, otherwise, key)


def unsigned(server: Keycloak, client: Client) -> str:
    """An assertion with the algorithm `none` (RFC 7515 appendix A.5)."""
    claims = assertion(server, client).split(".")[1]
    header = json.dumps({"alg": "none", "kid": client.key.kid}).encode()
    return f"{base64.urlsafe_b64encode(header).rstrip(b'=').decode()}.{claims}."


def ask(server: Keycloak, client_assertion: str | None, *, dpop: str | None = None, **form: str) -> Answer:
    """One token request; `form` has what is to be different in it, "" leaves a field out."""
    usual = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
    if client_assertion is not None:
        usual["client_assertion"] = client_assertion
    fields = {name: value for name, value in (usual | form).items() if value}
    return post(server, fields, {"DPoP": dpop} if dpop else {})


def post(server: Keycloak, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
    """A form for the token endpoint."""
    url = urlsplit(server.token_endpoint)
    with closing(http.client.HTTPConnection(url.netloc, timeout=30)) as connection:
        media_type = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", url.path, urlencode(form), {**media_type, **headers})
        answer = connection.getresponse()
        return Answer(answer.status, json.loads(answer.read()))


def _signed(head: Json, other_head: Json | None, claims: Json, other_claims: Json, key: PrivateKey) -> str:
    header, body = _without_none(head | (other_head or {})), _without_none(claims | other_claims)
    return jwt.encode(header, body, key, algorithms=[str(key.get("alg"))])


def _without_none(members: Json) -> Json:
    return {name: value for name, value in members.items() if value is not None}
