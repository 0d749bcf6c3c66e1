"""Mistakes that a client with a signed JWT can make, or its administrator: each brings one about and has the answer."""

import json
import time
from collections.abc import Callable
from typing import Any

from interop.provider import new_key, public_jwks
from keycloak.asking import Answer, ask, assertion, proof, unsigned
from keycloak.server import Client, Keycloak

Asked = Callable[[Keycloak], Answer]


def sent(algorithm: str = "ES256", **otherwise: Any) -> Asked:
    """An assertion of a new client with these claims otherwise; `exp`, `iat`, `nbf` are seconds from now."""

    def asked(server: Keycloak) -> Answer:
        client = server.client(algorithm)
        return ask(server, assertion(server, client, **in_time(otherwise)))

    return asked


def in_time(claims: dict[str, Any]) -> dict[str, Any]:
    """The claims, with moments for the distances from now."""
    now = int(time.time())
    moments = {name: now + claims[name] for name in ("exp", "iat", "nbf") if claims.get(name) is not None}
    return claims | moments


def registered(**attributes: Any) -> Asked:
    """A good assertion of a client that is registered with these attributes."""

    def asked(server: Keycloak) -> Answer:
        client = server.client(**attributes)
        return ask(server, assertion(server, client))

    return asked


def changed(**members: Any) -> Asked:
    """A good assertion of a client that an administrator changed afterwards."""

    def asked(server: Keycloak) -> Answer:
        client = server.client()
        server.change(client, **members)
        return ask(server, assertion(server, client))

    return asked


def with_jwk(change: Callable[[dict[str, Any]], object]) -> Asked:
    """A good assertion of a client in whose JWKS the one key was changed."""

    def asked(server: Keycloak) -> Answer:
        key = new_key("ES256")
        jwks: Any = public_jwks(key)
        change(jwks["keys"][0])
        client = server.client(keys=[key], jwks_string=json.dumps(jwks))
        return ask(server, assertion(server, client))

    return asked


def with_form(**form: str) -> Asked:
    """A good assertion, in a form that is not."""
    return lambda server: ask(server, assertion(server, server.client()), **form)


def twice(server: Keycloak) -> Answer:
    again = assertion(server, server.client())
    assert ask(server, again).status == 200
    return ask(server, again)


def an_unknown_key(server: Keycloak) -> Answer:
    return ask(server, assertion(server, server.client(), key=new_key("ES256")))


def another_key_of_that_kid(server: Keycloak) -> Answer:
    client = server.client()
    return ask(server, assertion(server, client, key=new_key("ES256"), header={"kid": client.key.kid}))


def the_second_key_without_kid(server: Keycloak) -> Answer:
    keys = [new_key("ES256"), new_key("ES256")]
    return ask(server, assertion(server, server.client(keys=keys), key=keys[1], header={"kid": None}))


def imported_as_pem(server: Keycloak) -> Answer:
    """Keycloak then gives the key a `kid` of its own, and looks for no other."""
    key = new_key("ES256")
    body = "".join(key.as_pem(private=False).decode().splitlines()[1:-1])
    client = server.client(keys=[key], use_jwks_string="false", jwks_string="", jwt_credential_public_key=body)
    return ask(server, assertion(server, client))


def a_single_jwk(server: Keycloak) -> Answer:
    key = new_key("ES256")
    client = server.client(keys=[key], jwks_string=json.dumps(key.as_dict(private=False)))
    return ask(server, assertion(server, client))


def another_algorithm_than_the_jwk_says(server: Keycloak) -> Answer:
    key = new_key("PS256")
    jwks: Any = public_jwks(key)
    jwks["keys"][0]["alg"] = "RS256"
    return ask(server, assertion(server, server.client(keys=[key], jwks_string=json.dumps(jwks))))


def bound(header: dict[str, Any] | None = None, algorithm: str = "ES256", method: str = "POST", **claims: Any) -> Asked:
    """A proof with this header and these claims otherwise, to a client that needs one."""

    def asked(server: Keycloak) -> Answer:
        client = a_bound_client(server)
        said = proof(server, new_key(algorithm), header=header, method=method, **in_time(claims))
        return ask(server, assertion(server, client), dpop=said)

    return asked


def a_bound_client(server: Keycloak) -> Client:
    return server.client(dpop_bound_access_tokens="true")


def a_proof_twice(server: Keycloak) -> Answer:
    client = a_bound_client(server)
    said = proof(server, new_key("ES256"))
    assert ask(server, assertion(server, client), dpop=said).status == 200
    return ask(server, assertion(server, client), dpop=said)


def no_proof_at_all(server: Keycloak) -> Answer:
    return ask(server, assertion(server, a_bound_client(server)))


def not_a_proof(server: Keycloak) -> Answer:
    return ask(server, assertion(server, a_bound_client(server)), dpop="not-a-jwt")


def unsigned_at_all(server: Keycloak) -> Answer:
    return ask(server, unsigned(server, server.client()))


def audience(made: Callable[[Keycloak], object]) -> Asked:
    """Another audience, which depends on where the server is."""
    return lambda server: sent(aud=made(server))(server)
