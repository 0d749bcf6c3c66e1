"""How long Keycloak keeps what it has read from a JWKS URL: what a rotation has to reckon with."""

import json
import time

import pytest
from joserfc.jwk import ECKey

from interop.provider import PrivateKey, new_key, public_jwks
from keycloak.asking import ask, assertion
from keycloak.jwks_url import QUIET, published
from keycloak.refusals import LOADING, NO_KEY, SIGNATURE
from keycloak.server import Client, Keycloak


def said(server: Keycloak, client: Client, key: PrivateKey) -> str:
    """What Keycloak has against an assertion with this key, "" if nothing."""
    return ask(server, assertion(server, client, key=key)).description


def test_the_url_is_read_for_the_first_assertion_and_then_for_an_unknown_kid_after_ten_seconds(
    keycloak: Keycloak,
) -> None:
    key, renewed = new_key("ES256"), new_key("ES256")
    with published(key) as site:
        client = keycloak.client(keys=[key], jwks_url=site.url)
        assert [said(keycloak, client, key) for _ in range(3)] == ["", "", ""]
        assert site.asked == 1
        site.publish(key, renewed)
        assert said(keycloak, client, renewed) == NO_KEY
        assert site.asked == 1
        time.sleep(QUIET)
        assert said(keycloak, client, renewed) == ""
        assert site.asked == 2


def test_a_key_that_is_no_longer_published_is_good_until_the_url_is_read_again(keycloak: Keycloak) -> None:
    key, renewed = new_key("ES256"), new_key("ES256")
    with published(key) as site:
        client = keycloak.client(keys=[key], jwks_url=site.url)
        assert said(keycloak, client, key) == ""
        site.publish(renewed)
        time.sleep(QUIET)
        assert said(keycloak, client, key) == ""
        assert said(keycloak, client, renewed) == ""
        assert said(keycloak, client, key) == NO_KEY


def test_keycloak_forgets_what_it_has_read_when_the_client_is_saved(keycloak: Keycloak) -> None:
    key, renewed = new_key("ES256"), new_key("ES256")
    with published(key) as site:
        client = keycloak.client(keys=[key], jwks_url=site.url)
        assert said(keycloak, client, key) == ""
        site.publish(renewed)
        keycloak.change(client, name="saved")
        assert said(keycloak, client, key) == NO_KEY
        assert said(keycloak, client, renewed) == ""


def test_another_key_under_a_known_kid_is_not_looked_for(keycloak: Keycloak) -> None:
    key = new_key("ES256")
    other = ECKey.generate_key("P-256", {"kid": key.kid or "", "alg": "ES256", "use": "sig"})
    with published(key) as site:
        client = keycloak.client(keys=[key], jwks_url=site.url)
        assert said(keycloak, client, key) == ""
        site.publish(other)
        time.sleep(QUIET)
        assert said(keycloak, client, other) == SIGNATURE
        assert site.asked == 1


@pytest.mark.parametrize(("status", "body"), [(503, b"down"), (200, b"<html>Sign in</html>")])
def test_what_has_been_read_outlives_the_url(keycloak: Keycloak, status: int, body: bytes) -> None:
    key, renewed = new_key("ES256"), new_key("ES256")
    with published(key) as site:
        client = keycloak.client(keys=[key], jwks_url=site.url)
        assert said(keycloak, client, key) == ""
        site.status, site.body = status, body
        time.sleep(QUIET)
        assert said(keycloak, client, renewed).startswith(LOADING.removesuffix("…"))
        assert said(keycloak, client, key) == ""


def test_imported_keys_are_in_force_at_once_and_gone_at_once(keycloak: Keycloak) -> None:
    key, renewed = new_key("ES256"), new_key("ES256")
    client = keycloak.client(keys=[key])
    assert said(keycloak, client, key) == ""
    keycloak.change(client, {"jwks_string": json.dumps(public_jwks(key, renewed))})
    assert said(keycloak, client, renewed) == ""
    keycloak.change(client, {"jwks_string": json.dumps(public_jwks(renewed))})
    assert said(keycloak, client, key) == NO_KEY
