"""One authorization server for all interop tests of a worker."""

from collections.abc import Iterator

import pytest

from interop.provider import Provider, running

SCOPES = ["okta.users.read", "okta.groups.read"]
RESOURCE = "https://api.example/"


@pytest.fixture(scope="session")
def oidc_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Knows SCOPES, which it gives for no resource, and RESOURCE, whose tokens are JWTs with the scope `orders`."""
    resources = {RESOURCE: {"scope": "orders", "accessTokenFormat": "jwt"}}
    with running(tmp_path_factory.mktemp("oidc-provider"), scopes=SCOPES, resources=resources) as provider:
        yield provider
