"""What tests/conftest.py and tests/each_case.py do to all other tests."""

from pathlib import Path

import pytest

from each_case import for_each

pytest_plugins = ("pytester",)

HERE = Path(__file__).parent
SKIPS = """
import pytest

@pytest.mark.skipif(True, reason="platform: no such system call")
def test_permitted(): ...

@pytest.mark.skipif(True, reason="curl is missing")
def test_marked(): ...

def test_called():
    pytest.skip("curl is missing")

@pytest.fixture
def program():
    pytest.skip("curl is missing")

def test_set_up(program): ...

@pytest.mark.xfail(raises=ZeroDivisionError)
def test_expected_failure():
    1 / 0
"""
MODULE = "import pytest\npytest.skip('curl is missing', allow_module_level=True)\n"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest((HERE / "conftest.py").read_text())
    pytester.makeini(
        "[pytest]\nmarkers =\n  slow:\n  interop:\n  alone:\nasyncio_default_fixture_loop_scope = function\n"
    )
    return pytester


def test_skip_without_permitted_reason_fails_in_ci(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    suite.makepyfile(test_skips=SKIPS, test_module=MODULE)
    monkeypatch.delenv("CI", raising=False)
    suite.runpytest_inprocess().assert_outcomes(skipped=5, xfailed=1)
    monkeypatch.setenv("CI", "true")
    run = suite.runpytest_inprocess("--continue-on-collection-errors")
    run.assert_outcomes(skipped=1, xfailed=1, failed=1, errors=3)
    run.stdout.fnmatch_lines(["CI has no reason to skip this: curl is missing"])


@for_each(
    ("selection", "selected"),
    [
        ("not slow and not interop and not alone", ["test_unit"]),
        ("slow and not interop", ["test_chart", "test_long"]),
        ("interop", ["test_keycloak"]),
    ],
)
def test_a_directory_gives_its_tests_a_group(selection: str, selected: list[str], suite: pytest.Pytester) -> None:
    for folder, name in (("helm", "chart"), ("keycloak", "keycloak"), ("keys", "unit")):
        file = suite.path / folder / f"test_{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"def test_{name}(): ...\n")
    (suite.path / "keys/test_long.py").write_text("import pytest\n@pytest.mark.slow\ndef test_long(): ...\n")
    run = suite.runpytest_inprocess("-m", selection, "-v", "--strict-markers")
    run.assert_outcomes(passed=len(selected), deselected=run.parseoutcomes().get("deselected", 0))
    run.stdout.fnmatch_lines([f"*::{name} PASSED*" for name in selected])


def test_every_failing_case_is_reported() -> None:
    @for_each("odd", [1, 2, 3])
    @for_each(("number", "square"), [(2, 4), (3, 6)])
    def check(number: int, square: int, odd: int) -> None:
        assert number**2 == square
        with pytest.raises(AssertionError):
            assert odd % 2

    with pytest.raises(BaseExceptionGroup) as raised:
        check()
    assert [len(group.exceptions) for group in raised.value.exceptions] == [2, 1, 2]
    assert raised.value.exceptions[1].exceptions[0].__notes__ == ["case: {'number': 3, 'square': 6}"]


async def test_cases_of_an_asynchronous_test_share_its_fixtures(tmp_path: Path) -> None:
    @for_each("name", ["a", "b"])
    async def check(folder: Path, name: str) -> None:
        (folder / name).touch()

    await check(folder=tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b"]
