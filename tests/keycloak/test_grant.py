"""The broker's own token requests before Keycloak."""

import json

import pytest

from broker.core.errors import DiscoveryError
from broker.core.events import ClockMeasured, KeyFellBack, ScopeReduced
from broker.providers.diagnose import diagnose
from interop.provider import new_key, write_private_jwk
from keycloak.configured import a_grant, config_file
from keycloak.in_front import in_front
from keycloak.jwks_url import published
from keycloak.server import SCOPE, Keycloak

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("audience", ["issuer", "token_endpoint"])
async def test_every_algorithm_is_accepted_with_either_audience(
    keycloak: Keycloak, algorithm: str, audience: str
) -> None:
    client = keycloak.client(algorithm, token_endpoint_auth_signing_alg=algorithm)
    async with a_grant(config_file(keycloak, client, assertion={"audience": audience})) as asker:
        token = await asker.fetch()
    assert token.token_type == "Bearer"
    assert token.lifetime == pytest.approx(300, abs=2)  # Keycloak counts from the second that iat is rounded to


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_pem_signs_as_keycloak_expects(keycloak: Keycloak, algorithm: str) -> None:
    client = keycloak.client(algorithm)
    pem = client.key_file.with_suffix(".pem")
    pem.write_bytes(client.key.as_pem(private=True))
    key = {"file": str(pem), "kid": client.key.kid}
    async with a_grant(config_file(keycloak, client, private_key=key)) as asker:
        assert (await asker.fetch()).access_token


async def test_the_scopes_that_are_asked_for_are_granted_and_more_is_no_trouble(keycloak: Keycloak) -> None:
    async with a_grant(config_file(keycloak, keycloak.client())) as asker:
        token = await asker.fetch()
    assert {SCOPE, "email", "profile"} <= set(token.scope.split())
    assert not [event for event in asker.events if isinstance(event, ScopeReduced)]


async def test_a_scope_that_the_client_does_not_have_is_named(keycloak: Keycloak) -> None:
    file = config_file(keycloak, keycloak.client(), token={"scopes": ["reports-write"]})
    async with a_grant(file) as asker:
        diagnosis = diagnose(await asker.refused())
    assert diagnosis.reason == "scope_refused"
    assert "reports-write" in diagnosis.words


async def test_a_lifetime_beyond_the_sixty_seconds_is_no_trouble(keycloak: Keycloak) -> None:
    async with a_grant(config_file(keycloak, keycloak.client(), assertion={"lifetime": "5m"})) as asker:
        assert (await asker.fetch()).access_token


async def test_no_two_requests_are_taken_for_the_same(keycloak: Keycloak) -> None:
    async with a_grant(config_file(keycloak, keycloak.client())) as asker:
        assert len({(await asker.fetch()).access_token for _ in range(5)}) == 5


@pytest.mark.parametrize("step", [-50, 18])
async def test_a_clock_may_be_that_slow_or_that_fast(keycloak: Keycloak, step: int) -> None:
    async with a_grant(config_file(keycloak, keycloak.client()), step=step) as asker:
        assert (await asker.fetch()).access_token


@pytest.mark.parametrize("step", [-57, 23])
async def test_a_clock_that_is_off_is_told_and_not_corrected_since_keycloak_does_not_say_the_time(
    keycloak: Keycloak, step: int
) -> None:
    async with a_grant(config_file(keycloak, keycloak.client()), step=step) as asker:
        assert diagnose(await asker.refused()).reason == "clock"
    assert not [event for event in asker.events if isinstance(event, ClockMeasured)]


@pytest.mark.parametrize("step", [-200, 200])
async def test_a_clock_that_is_off_costs_no_token_when_what_stands_before_keycloak_says_the_time(
    keycloak: Keycloak, step: int
) -> None:
    client = keycloak.client()
    async with in_front(keycloak) as issuer, a_grant(config_file(keycloak, client, issuer=issuer), step=step) as asker:
        assert (await asker.fetch()).access_token


async def test_keys_behind_a_url_are_found(keycloak: Keycloak) -> None:
    key = new_key("ES256")
    with published(key) as site:
        client = keycloak.client(keys=[key], jwks_url=site.url)
        async with a_grant(config_file(keycloak, client)) as asker:
            assert (await asker.fetch()).access_token
        assert site.asked == 1


async def test_a_key_that_is_not_registered_gives_way_to_the_next(keycloak: Keycloak) -> None:
    client = keycloak.client()
    first = client.key_file.with_name(f"{client.client_id}-first.jwk")
    write_private_jwk(first, new_key("ES256"))
    keys = [{"file": str(first)}, {"file": str(client.key_file)}]
    async with a_grant(config_file(keycloak, client, private_keys=keys)) as asker:
        assert (await asker.fetch()).access_token
    (told,) = (event for event in asker.events if isinstance(event, KeyFellBack))
    assert (told.kid, told.reason) == (client.key.kid, "kid_refused")


async def test_a_key_of_another_kid_than_the_registered_one_is_told(keycloak: Keycloak) -> None:
    client = keycloak.client()
    members = client.key.as_dict(private=True)
    del members["kid"]
    client.key_file.write_text(json.dumps(members))
    file = config_file(keycloak, client, private_key={"file": str(client.key_file), "kid": "unknown"})
    async with a_grant(file) as asker:
        assert diagnose(await asker.refused()).reason == "kid_refused"


async def test_a_disabled_client_is_told(keycloak: Keycloak) -> None:
    client = keycloak.client()
    keycloak.change(client, enabled=False)
    async with a_grant(config_file(keycloak, client)) as asker:
        assert diagnose(await asker.refused()).reason == "client_refused"


async def test_a_realm_that_is_known_by_another_name_is_asked_where_it_can_be_reached(keycloak: Keycloak) -> None:
    file = config_file(
        keycloak,
        keycloak.client(),
        issuer="https://sso.example.com/realms/acme",
        token_endpoint=keycloak.token_endpoint,
    )
    with keycloak.known_as("https://sso.example.com"):
        async with a_grant(file) as asker:
            assert (await asker.fetch()).access_token


async def test_a_realm_that_is_known_by_another_name_is_no_issuer_where_it_can_be_reached(keycloak: Keycloak) -> None:
    file = config_file(keycloak, keycloak.client())
    with keycloak.known_as("https://sso.example.com"):
        async with a_grant(file) as asker:
            with pytest.raises(DiscoveryError) as error:
                await asker.fetch()
    assert diagnose(error.value).reason == "issuer_mismatch"
