"""What all tests share: groups by directory, no skip in CI, and hypothesis' settings."""

import asyncio
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
#: The group of all tests in a directory; others belong to `make test`, unless they are marked themselves.
GROUPS = {
    **dict.fromkeys(("interop", "keycloak"), "interop"),
    **dict.fromkeys(("browser", "clients", "docs", "fresh", "helm", "image", "observability"), "slow"),
    "neighbours": "alone",
}
#: How the reason of a skip begins that no installation can cure, and that CI therefore permits.
PERMITTED = ("platform: ", "rights: ")

# Otherwise pytest-asyncio's first look at "the current loop" makes one that nobody closes, and the ResourceWarning for
# it surfaces in whatever test the garbage collector happens to run.
asyncio.set_event_loop(None)

# A shell without job control has what it starts with `&` ignore these, and so would the processes under test.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)

# The shared machines of CI stall for longer than hypothesis' deadline; what is bounded is the number of examples.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the directories of a group that `-m` excludes."""
    group = _group(collection_path)
    return True if group and f"not {group}" in config.option.markexpr else None


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if group := _group(item.path):
            item.add_marker(group)


def _group(path: Path) -> str | None:
    below = path.relative_to(HERE).parts if path.is_relative_to(HERE) else ()
    return GROUPS.get(below[0]) if below else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_a_skip_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_a_skip_in_ci(report)
    return report


def _fail_a_skip_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") != "true" or not report.skipped or hasattr(report, "wasxfail"):
        return
    assert isinstance(report.longrepr, tuple)
    reason = report.longrepr[2].removeprefix("Skipped: ")
    if not reason.startswith(PERMITTED):
        report.outcome = "failed"
        report.longrepr = f"CI has no reason to skip this: {reason}"
