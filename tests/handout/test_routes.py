"""Which path is which."""

from hypothesis import given
from hypothesis import strategies as st

from broker.workload_api.routes import (
    DEFAULT,
    OAUTH,
    OAUTH_METADATA,
    OTHER,
    PROOF,
    REJECTED,
    ROUTES,
    TOKEN,
    Route,
    is_v1,
    match,
)
from each_case import for_each


@for_each(
    ("path", "route", "name"),
    [
        ("/v1/tokens/users-api", TOKEN, "users-api"),
        ("/v1/tokens/", TOKEN, ""),
        ("/v1/tokens/a;b%2f..", TOKEN, "a;b%2f.."),
        ("/v1/tokens/rejected", TOKEN, "rejected"),
        ("/v1/tokens/users-api/rejected", REJECTED, "users-api"),
        ("/v1/tokens/users-api/proof", PROOF, "users-api"),
        ("/v1/tokens/proof", TOKEN, "proof"),
        ("/v1/token", DEFAULT, ""),
        ("/oauth2/token", OAUTH, ""),
        ("/.well-known/oauth-authorization-server", OAUTH_METADATA, ""),
    ],
)
def test_a_path_has_one_route_and_perhaps_a_name(path: str, route: Route, name: str) -> None:
    assert match(path) == (route, name)


@for_each(
    "path",
    [
        *("", "/", "/v1", "/v1/", "/v1/token/", "/v1/tokens", "/v1/tokens/a/", "/v1/tokens/a/rejected/"),
        *("/v1/tokens/a/proof/", "/v1/tokens/a/proof/rejected", "/v1/token/proof", "/v1/tokens/a/Proof"),
        *("/v1/tokens/a/REJECTED", "/v1//tokens/a", "//v1/token", "/V1/token", "/oauth2/token/", "/oauth2", "other"),
        *("/v1/tokens/{name}/rejected/x", "/.well-known/oauth-authorization-server/x", "/%761/token"),
    ],
)
def test_there_is_no_other_path(path: str) -> None:
    assert match(path) == (OTHER, "")


@given(st.text(max_size=40) | st.sampled_from(ROUTES).flatmap(lambda route: st.text(max_size=5).map(route.__add__)))
def test_every_path_has_a_label_of_the_closed_set_and_no_name_has_a_slash(path: str) -> None:
    route, name = match(path)
    assert route.label in ROUTES
    assert "/" not in name
    assert is_v1(path) or route not in (TOKEN, DEFAULT, REJECTED, PROOF)
