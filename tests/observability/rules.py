"""The shipped alerts, and promtool to judge them."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from programs.installed import needed

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm/token-broker"
RULES = CHART / "files/alerts.yaml"
UNIT_TESTS = Path(__file__).with_name("alerts")


def alerts() -> dict[str, dict[str, Any]]:
    """Each rule of the shipped file by the name of its alert."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = needed("promtool", "prometheus")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def unit_tested(
    folder: Path, tests: list[dict[str, Any]], *, rules: Path = RULES, interval: str = "30s"
) -> subprocess.CompletedProcess[str]:
    """`promtool test rules` of these tests, written to a file in `folder`."""
    file = folder / "tests.yaml"
    document = {"rule_files": [str(rules)], "evaluation_interval": interval, "tests": tests}
    file.write_text(yaml.safe_dump(document, sort_keys=False, width=1 << 20))
    return promtool("test", "rules", str(file))
