from collections.abc import Mapping
from pathlib import Path

import pytest

from broker.config import resolve
from broker.core.errors import ConfigError
from broker.core.settings import Settings
from configurations import Complaints, Load


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Settings of a text written to config.yaml in an empty working directory."""
    monkeypatch.chdir(tmp_path)

    def loaded(text: str, environ: Mapping[str, str] | None = None) -> Settings:
        Path("config.yaml").write_text(text, encoding="utf-8")
        return resolve.load("config.yaml", environ or {})

    return loaded


@pytest.fixture
def complaints(load: Load) -> Complaints:
    """What is said about such a text; it must be something."""

    def complained(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            load(text, environ)
        return list(raised.value.complaints)

    return complained
