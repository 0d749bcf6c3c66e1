"""What every pod would pay for at each start, though few need it."""

import json
import subprocess
import sys

import pytest

#: Not needed before the first token, with what needs them.
UNUSED = {
    "aiohttp.web": "the development server",
    "argparse": "aiohttp's command line",
    "broker.admin.status.html": "the status page",
    "broker.admin.status.snapshot": "the status page",
    "broker.admin.status.text": "the status page",
    "broker.cli.check": "check",
    "broker.cli.embedded": "run --dev",
    "broker.config.reference": "config schema",
    "broker.config.schema": "config schema",
    "broker.devserver": "run --dev",
    "click.shell_completion": "completion",
    "prometheus_client.aiohttp": "aiohttp.web",
    "rich": "demo",
    "uvloop": "the extra speed",
}
SCRIPT = """
import gc, json, ssl, sys
built = []
make = ssl.create_default_context
ssl.create_default_context = lambda *arguments: built.append(make(*arguments)) or built[-1]
import broker.cli.run
sys.argv = ["token-broker", "run", "--config", "/no/such/file"]
from broker.__main__ import main
try:
    main()
except SystemExit as left:
    code = left.code
print(json.dumps({
    "code": code,
    "modules": list(sys.modules),
    "frozen": gc.get_freeze_count(),
    "collects": gc.isenabled(),
    "authorities": [context.cert_store_stats()["x509"] for context in built],
}))
"""


@pytest.fixture(scope="module")
def started() -> dict[str, object]:
    """What `run` has imported when it reads its configuration."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    assert found["code"] == 2
    return found


def test_run_imports_nothing_that_few_pods_need(started: dict[str, object]) -> None:
    modules = started["modules"]
    assert isinstance(modules, list)
    assert "broker.app.compose" in modules
    assert sorted(UNUSED.keys() & set(modules)) == []


def test_no_authorities_are_loaded_before_a_request(started: dict[str, object]) -> None:
    assert started["authorities"] == [0]


def test_collector_leaves_modules_out_and_works(started: dict[str, object]) -> None:
    frozen = started["frozen"]
    assert isinstance(frozen, int)
    assert frozen > 10_000
    assert started["collects"]
