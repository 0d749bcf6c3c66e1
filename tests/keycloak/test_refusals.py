"""What Keycloak says to each mistake, and what it does not mind."""

import time

import pytest

from interop.provider import new_key
from keycloak.asking import ask, assertion, proof
from keycloak.mistakes import a_bound_client, in_time
from keycloak.refusals import REFUSALS, Refusal
from keycloak.server import SCOPE, Keycloak


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_keycloak_refuses_in_these_words(keycloak: Keycloak, refusal: Refusal) -> None:
    answer = refusal.asked(keycloak)
    assert (answer.status, answer.error) == (refusal.status, refusal.error)
    beginning, ellipsis, _ = refusal.says.partition("…")
    assert answer.description == refusal.says or (ellipsis and answer.description.startswith(beginning))


@pytest.mark.parametrize("lifetime", [60, 300, 3600, 86400])
def test_what_keycloak_limits_is_the_age_of_an_assertion_and_not_how_long_it_lives(
    keycloak: Keycloak, lifetime: int
) -> None:
    assert ask(keycloak, assertion(keycloak, keycloak.client(), **in_time({"exp": lifetime}))).status == 200


def test_the_age_that_is_too_old_may_be_set_for_a_client(keycloak: Keycloak) -> None:
    client = keycloak.client(token_endpoint_auth_signing_max_exp="10")
    old = in_time({"iat": -20, "exp": 60})
    assert ask(keycloak, assertion(keycloak, client, **old)).description == (
        "Token was issued too far in the past to be used now"
    )
    young = in_time({"iat": -5, "exp": 60})
    assert ask(keycloak, assertion(keycloak, client, **young)).status == 200


@pytest.mark.parametrize("seconds", [-50, 10])
def test_an_assertion_may_be_that_old_or_from_that_far_in_the_future(keycloak: Keycloak, seconds: int) -> None:
    claims = in_time({"iat": seconds, "exp": 60})
    assert ask(keycloak, assertion(keycloak, keycloak.client(), **claims)).status == 200


@pytest.mark.parametrize("seconds", [-20, 10])
def test_a_proof_may_be_that_old_or_from_that_far_in_the_future(keycloak: Keycloak, seconds: int) -> None:
    dpop = proof(keycloak, new_key("ES256"), **in_time({"iat": seconds}))
    answer = ask(keycloak, assertion(keycloak, a_bound_client(keycloak)), dpop=dpop)
    assert (answer.status, answer.body["token_type"]) == (200, "DPoP")


def test_a_proof_that_is_as_old_as_keycloak_permits_makes_it_fail(keycloak: Keycloak) -> None:
    """It cannot remember for 0 s that it has seen the proof. The broker takes that for what a 500 is."""
    client = a_bound_client(keycloak)
    answers = [
        ask(keycloak, assertion(keycloak, client), dpop=proof(keycloak, new_key("ES256"), iat=int(time.time()) - 25))
        for _ in range(5)  # one may fall between two seconds
    ]
    assert (500, "unknown_error") in {(answer.status, answer.error) for answer in answers}


def test_an_assertion_is_spent_by_a_request_that_is_refused_for_something_else(keycloak: Keycloak) -> None:
    client = keycloak.client()
    spent = assertion(keycloak, client)
    assert ask(keycloak, spent, scope="unknown-scope").error == "invalid_scope"
    assert ask(keycloak, spent).description == "Token reuse detected"


def test_a_key_is_found_without_kid_when_it_is_the_only_one(keycloak: Keycloak) -> None:
    assert ask(keycloak, assertion(keycloak, keycloak.client(), header={"kid": None})).status == 200


def test_the_new_typ_of_an_assertion_is_accepted(keycloak: Keycloak) -> None:
    made = assertion(keycloak, keycloak.client(), header={"typ": "client-authentication+jwt"})
    assert ask(keycloak, made).status == 200


def test_default_scopes_are_granted_unasked_beside_those_that_are_asked_for(keycloak: Keycloak) -> None:
    client = keycloak.client()
    unasked = set(ask(keycloak, assertion(keycloak, client)).body["scope"].split())
    asked = set(ask(keycloak, assertion(keycloak, client), scope=SCOPE).body["scope"].split())
    assert unasked == {"email", "profile"}
    assert asked == unasked | {SCOPE}


def test_a_resource_and_an_audience_are_ignored(keycloak: Keycloak) -> None:
    answer = ask(keycloak, assertion(keycloak, keycloak.client()), resource="https://api.example/", audience="api")
    assert answer.status == 200


def test_why_a_client_was_refused_is_in_the_events_of_the_realm(keycloak: Keycloak) -> None:
    client = keycloak.client()
    keycloak.change(client, enabled=False)
    ask(keycloak, assertion(keycloak, client))
    ask(keycloak, assertion(keycloak, client, key=new_key("ES256")))
    assert {event["error"] for event in keycloak.refused(client)} == {"client_disabled"}
