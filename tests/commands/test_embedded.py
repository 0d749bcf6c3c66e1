import tempfile

import pytest

from broker.cli.embedded import embedded
from broker.core.errors import ConfigError
from told_events import settings


async def test_without_a_writable_folder_it_is_said_what_to_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    with pytest.raises(ConfigError, match=r"mount a writable one at /tmp, or name one in TMPDIR"):
        async with embedded(settings("users-api")):
            pass
