"""One authorization server for all interop tests of a worker."""

import os
from collections.abc import Iterator

import pytest

from interop.provider import Provider, UnavailableError, installed_node, running

SCOPES = ["okta.users.read", "okta.groups.read"]
RESOURCE = "https://api.example/"


@pytest.fixture(scope="session")
def oidc_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Knows SCOPES, which it gives for no resource, and RESOURCE, whose tokens are JWTs with the scope `orders`."""
    try:
        installed_node()
    except UnavailableError as error:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(error))
    resources = {RESOURCE: {"scope": "orders", "accessTokenFormat": "jwt"}}
    with running(tmp_path_factory.mktemp("oidc-provider"), scopes=SCOPES, resources=resources) as provider:
        yield provider
