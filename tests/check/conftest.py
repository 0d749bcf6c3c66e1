"""Every test gets a client and a server that get along, unless it changes that."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from check.scene import Scene, a_scene


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path) as made:
        yield made
