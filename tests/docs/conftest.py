"""Charts that the documents' examples make up, each written once in a session."""

import json
from pathlib import Path
from typing import Any

import pytest

from docs.examples import Object, Render, application
from docs.pages import Block
from helm.chart import Major, hook, rendered


@pytest.fixture(scope="session")
def render(tmp_path_factory: pytest.TempPathFactory) -> Render:
    charts: dict[tuple[Block, str], Path] = {}

    def render(template: Block, values: Object, *, major: Major = 4, kubernetes: str = "1.36") -> list[dict[str, Any]]:
        key = (template, json.dumps(values, sort_keys=True))
        if key not in charts:
            charts[key] = application(tmp_path_factory.mktemp("application"), template, values)
        return [found for found in rendered(charts[key], major=major, kubernetes=kubernetes) if not hook(found)]

    return render
