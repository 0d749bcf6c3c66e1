"""The judge itself is judged first, with assertions that no line of the broker made."""

import http.client
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import pytest
from joserfc import jwt

from interop.provider import Client, PrivateKey, Provider, new_key, public_jwks, running

ALGORITHMS = [
    *("RS256", "PS256", "ES256", "ES384", "ES512", "Ed25519"),
    # joserfc warns at each use of the name that RFC 9864 replaced by Ed25519, and that most servers still know only.
    pytest.param("EdDSA", marks=pytest.mark.filterwarnings("ignore:EdDSA is deprecated")),
]
Claims = dict[str, object]
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def assertion(
    provider: Provider, client: Client, otherwise: Claims | None = None, key: PrivateKey | None = None
) -> str:
    """What RFC 7523 section 3 asks for, but for the claims that a test wants otherwise."""
    key = key or client.key
    algorithm = str(key.get("alg"))
    now = int(time.time())
    usual = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": provider.token_endpoint,
        "iat": now,
        "exp": now + 60,
        "jti": uuid4().hex,
    }
    return jwt.encode({"alg": algorithm, "kid": key.kid}, usual | (otherwise or {}), key, algorithms=[algorithm])


def ask(provider: Provider, client_assertion: str, **form: str) -> tuple[int, dict[str, object]]:
    """One token request: the status and the body of the answer."""
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": client_assertion,
        **form,
    }
    url = urlsplit(provider.token_endpoint)
    connection = http.client.HTTPConnection(url.netloc, timeout=30)
    try:
        connection.request("POST", url.path, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_assertion_gets_a_token(oidc_provider: Provider, algorithm: str) -> None:
    client = oidc_provider.client(algorithm)

    status, body = ask(oidc_provider, assertion(oidc_provider, client))

    assert (status, body["token_type"], body["expires_in"]) == (200, "Bearer", 300)
    assert len(oidc_provider.granted(client.client_id)) == 1


def test_another_key_is_refused_and_the_reason_can_be_read(oidc_provider: Provider) -> None:
    client = oidc_provider.client()

    status, body = ask(oidc_provider, assertion(oidc_provider, client, key=new_key("RS256")))

    assert (status, body) == (
        401,
        {"error": "invalid_client", "error_description": "client authentication failed"},
    )
    assert [said.detail for said in oidc_provider.refused(client.client_id)] == [
        "no applicable key found in the JSON Web Key Set"
    ]


def test_an_algorithm_other_than_the_registered_one_is_refused(oidc_provider: Provider) -> None:
    client = oidc_provider.client("RS256", token_endpoint_auth_signing_alg="ES256")

    status, _ = ask(oidc_provider, assertion(oidc_provider, client))

    assert (status, oidc_provider.refused(client.client_id)[-1].detail) == (401, "alg mismatch")


def test_an_assertion_is_accepted_once(oidc_provider: Provider) -> None:
    client = oidc_provider.client()
    once = assertion(oidc_provider, client)

    statuses = [ask(oidc_provider, once)[0] for _ in range(2)]

    assert statuses == [200, 401]
    assert oidc_provider.refused(client.client_id)[-1].detail == "client assertion tokens must only be used once"


@pytest.mark.parametrize(
    ("claims", "detail"),
    [
        ({"aud": "https://elsewhere.example/token"}, "audience (aud) must equal the endpoint url"),
        ({"exp": int(time.time()) - 60}, "jwt expired"),
        ({"nbf": int(time.time()) + 3600}, "jwt not active yet"),
        ({"iss": "somebody"}, "iss (JWT issuer) must be the client_id"),
    ],
    ids=["audience", "expired", "not-yet", "issuer"],
)
def test_a_wrong_claim_is_refused(oidc_provider: Provider, claims: Claims, detail: str) -> None:
    client = oidc_provider.client()

    status, _ = ask(oidc_provider, assertion(oidc_provider, client, claims))

    assert status == 401
    assert oidc_provider.refused(client.client_id)[-1].detail.startswith(detail)


def test_an_unknown_scope_is_dropped_without_a_word(oidc_provider: Provider) -> None:
    client = oidc_provider.client()

    status, body = ask(oidc_provider, assertion(oidc_provider, client), scope="okta.users.read okta.unknown")

    assert (status, body["scope"]) == (200, "okta.users.read")


def test_a_resource_has_its_own_scopes_and_kind_of_token(oidc_provider: Provider) -> None:
    client = oidc_provider.client()

    status, body = ask(
        oidc_provider, assertion(oidc_provider, client), resource="https://api.example/", scope="orders okta.users.read"
    )

    assert (status, body["scope"]) == (200, "orders")
    assert str(body["access_token"]).count(".") == 2


def test_a_resource_that_nobody_knows_is_refused(oidc_provider: Provider) -> None:
    client = oidc_provider.client()

    status, body = ask(oidc_provider, assertion(oidc_provider, client), resource="https://unknown.example/")

    assert (status, body["error"]) == (400, "invalid_target")


def test_a_client_may_have_short_lived_tokens(oidc_provider: Provider) -> None:
    client = oidc_provider.client(token_lifetime=7)

    assert ask(oidc_provider, assertion(oidc_provider, client))[1]["expires_in"] == 7


def test_a_replaced_registration_counts_at_once(oidc_provider: Provider) -> None:
    client, fresh = oidc_provider.client(), new_key("RS256")

    oidc_provider.register(client.client_id, jwks=public_jwks(fresh))

    assert ask(oidc_provider, assertion(oidc_provider, client))[0] == 401
    assert ask(oidc_provider, assertion(oidc_provider, client, key=fresh))[0] == 200


def test_the_private_key_file_is_for_its_owner_only(oidc_provider: Provider) -> None:
    client = oidc_provider.client("ES256")

    assert client.key_file.stat().st_mode & 0o777 == 0o600
    assert json.loads(client.key_file.read_bytes()) == client.key.as_dict(private=True)


@pytest.fixture
def published() -> Iterator[tuple[PrivateKey, str]]:
    """A key, and the loopback address where its public half is."""
    key = new_key("ES256")

    class Publisher(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(public_jwks(key)).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Publisher) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield key, f"http://127.0.0.1:{server.server_port}/jwks.json"
        server.shutdown()
        thread.join()


def test_a_client_may_publish_its_keys_on_loopback(oidc_provider: Provider, published: tuple[PrivateKey, str]) -> None:
    key, jwks_uri = published
    client = oidc_provider.client("ES256", jwks_uri=jwks_uri)

    status, _ = ask(oidc_provider, assertion(oidc_provider, client, key=key))

    assert status == 200


def test_more_assertions_than_the_stock_server_remembers_are_still_accepted_only_once(
    oidc_provider: Provider,
) -> None:
    client = oidc_provider.client("ES256")
    first = assertion(oidc_provider, client)
    assert ask(oidc_provider, first)[0] == 200

    for _ in range(1100):
        assert ask(oidc_provider, assertion(oidc_provider, client))[0] == 200

    assert ask(oidc_provider, first)[0] == 401


@pytest.mark.usefixtures("oidc_provider")  # it is what says that there is no Node
def test_a_server_of_ones_own_may_want_a_dpop_nonce(tmp_path: Path) -> None:
    with running(tmp_path, dpop={"require_nonce": True}) as provider:
        client = provider.client(dpop_bound_access_tokens=True)

        status, body = ask(provider, assertion(provider, client))

        assert (status, body["error"]) == (400, "invalid_grant")
        assert provider.refused(client.client_id)[-1].detail == "DPoP proof JWT not provided"


@pytest.mark.usefixtures("oidc_provider")
def test_the_server_ends_with_the_test_that_started_it(tmp_path: Path) -> None:
    with running(tmp_path) as provider:
        url = urlsplit(provider.issuer)

    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection(url.netloc, timeout=5).connect()
