"""`token-broker check` before Keycloak: what the person who set it up wrongly reads."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.processes import run
from interop.provider import new_key, write_private_jwk
from keycloak.configured import config_file
from keycloak.mistakes import a_bound_client
from keycloak.server import Keycloak

Made = Callable[[Keycloak], Path]


async def report(file: Path) -> tuple[int, str]:
    """The exit code, and all that is printed, in one line."""
    code, said, complaints = await run("check", "--config", str(file))
    assert complaints == ""
    return code, " ".join(said.split())


async def test_all_is_good(keycloak: Keycloak) -> None:
    code, said = await report(config_file(keycloak, keycloak.client()))
    assert (code, said.endswith("All good.")) == (0, True)
    assert "ok scopes reports: reports-read" in said


async def test_all_is_good_with_bound_tokens(keycloak: Keycloak) -> None:
    dpop = {"targets": [f"http://{keycloak.address}"]}
    code, said = await report(config_file(keycloak, a_bound_client(keycloak), dpop=dpop))
    assert code == 0
    assert "ok token reports: DPoP" in said


def a_disabled_client(server: Keycloak) -> Path:
    client = server.client()
    server.change(client, enabled=False)
    return config_file(server, client)


def a_client_with_a_secret(server: Keycloak) -> Path:
    client = server.client()
    server.change(client, clientAuthenticatorType="client-secret")
    return config_file(server, client)


def a_client_without_service_account(server: Keycloak) -> Path:
    client = server.client()
    server.change(client, serviceAccountsEnabled=False)
    return config_file(server, client)


def a_key_that_is_not_registered(server: Keycloak) -> Path:
    client = server.client()
    write_private_jwk(client.key_file, new_key("ES256"))
    return config_file(server, client)


def another_key_of_that_kid(server: Keycloak) -> Path:
    client = server.client()
    other = new_key("ES256").as_dict(private=True) | {"kid": client.key.kid}
    client.key_file.write_text(json.dumps(other))
    return config_file(server, client)


def another_algorithm(server: Keycloak) -> Path:
    return config_file(server, server.client(token_endpoint_auth_signing_alg="RS256"))


def a_jwks_url_that_is_down(server: Keycloak) -> Path:
    return config_file(server, server.client(jwks_url="http://127.0.0.1:1/jwks.json"))


def a_scope_that_is_not_assigned(server: Keycloak) -> Path:
    return config_file(server, server.client(), token={"scopes": ["reports-write"]})


def a_client_that_needs_proofs(server: Keycloak) -> Path:
    return config_file(server, a_bound_client(server))


def a_slash_after_the_issuer(server: Keycloak) -> Path:
    return config_file(server, server.client(), issuer=f"{server.issuer}/")


def a_slash_after_the_audience(server: Keycloak) -> Path:
    return config_file(server, server.client(), assertion={"audience": f"{server.issuer}/"})


def a_realm_that_there_is_not(server: Keycloak) -> Path:
    return config_file(server, server.client(), issuer=server.issuer.replace("acme", "acne"))


def the_path_of_old_releases(server: Keycloak) -> Path:
    return config_file(server, server.client(), issuer=server.issuer.replace("/realms", "/auth/realms"))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (a_disabled_client, ["client_refused", "Invalid client or Invalid client credentials", "is enabled"]),
        (a_client_with_a_secret, ["client_refused", "Client Authenticator under", "Signed JWT"]),
        (a_client_without_service_account, ["grant_refused", "Capability config"]),
        (a_key_that_is_not_registered, ["kid_refused", "Unable to load public key", "jwks --client keycloak", '"kid"']),
        (another_key_of_that_kid, ["signature_refused", "not the other half", '"kty": "EC"']),
        (another_algorithm, ["algorithm_refused", "Signature algorithm", "alg ES256"]),
        (a_jwks_url_that_is_down, ["jwks_refused", "Error when loading public keys", "JWKS URL"]),
        (a_scope_that_is_not_assigned, ["scope_refused", "Invalid scopes: reports-write", "tokens.reports.scopes"]),
        (a_client_that_needs_proofs, ["dpop_required", "DPoP proof is missing", "clients.keycloak.dpop"]),
        (a_slash_after_the_issuer, ["issuer_mismatch", "slash at the end"]),
        (a_slash_after_the_audience, ["audience_refused", "Invalid token audience", "slash at the end"]),
        (a_realm_that_there_is_not, ["discovery_failed", "404", "clients.keycloak.issuer"]),
        (the_path_of_old_releases, ["discovery_failed", "404", "path included"]),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
async def test_a_mistake_is_named_with_its_cause_and_its_fix(keycloak: Keycloak, made: Made, said: list[str]) -> None:
    code, text = await report(made(keycloak))
    assert code == 1
    assert [part for part in said if part not in text] == [], text
    assert " cause " in text
    assert " fix " in text
