"""What people copy: the annotated examples, and the YAML in the documents."""

import re
from pathlib import Path

import pytest

from broker.config import resolve
from broker.config.rules import warnings
from broker.providers import PRESETS
from each_case import for_each

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "config").glob("*.yaml"))
BLOCKS = [
    (path.name, block)
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for block in re.findall(r"^```yaml\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    if re.search(r"^clients:", block, re.MULTILINE)
]


def test_there_is_an_example_for_every_provider() -> None:
    shown = {client.provider for path in EXAMPLES for client in resolve.load(str(path), {}).clients.values()}
    assert shown == PRESETS.keys()
    assert {path.stem for path in EXAMPLES} >= {"minimal", "callers", "okta-dpop", "entra-federated"}


@for_each("path", EXAMPLES)
def test_an_example_loads(path: Path) -> None:
    settings = resolve.load(str(path), {})
    assert settings.tokens
    assert warnings(settings) == []
    assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")


@pytest.mark.parametrize(("name", "block"), BLOCKS)
def test_a_configuration_in_the_documents_loads(name: str, block: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(block)
    assert resolve.load(str(path), {}).tokens
