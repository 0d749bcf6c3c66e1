"""One Keycloak for all tests of a worker."""

from collections.abc import Iterator

import pytest

from keycloak.server import Keycloak, running


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    """With the realm `acme`; each test registers clients of its own."""
    with running(tmp_path_factory.mktemp("keycloak")) as server:
        yield server
