"""Many cheap cases in one test, where pytest's bookkeeping for each case would cost more than its check."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


def for_each(names: str | tuple[str, ...], cases: Iterable[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a test to run every case in a loop and to report all failing cases together.

    `names` and `cases` are as for `pytest.mark.parametrize`; the cases share the fixtures of the test.
    """
    parameters = (names,) if isinstance(names, str) else names
    rows = [(case,) if isinstance(names, str) else case for case in cases]
    arguments = [dict(zip(parameters, row, strict=True)) for row in rows]
    assert arguments, f"no case of {names}"

    def decorated(test: Callable[..., Any]) -> Callable[..., Any]:
        def looped(**fixtures: object) -> None:
            with _failures(len(arguments)) as failures:
                for case in arguments:
                    with _noted(case, failures):
                        test(**fixtures, **case)

        async def looped_async(**fixtures: object) -> None:
            with _failures(len(arguments)) as failures:
                for case in arguments:
                    with _noted(case, failures):
                        await test(**fixtures, **case)

        wrapper = functools.wraps(test)(looped_async if inspect.iscoroutinefunction(test) else looped)
        signature = inspect.signature(test)
        fixtures = [parameter for name, parameter in signature.parameters.items() if name not in parameters]
        wrapper.__signature__ = signature.replace(parameters=fixtures)  # type: ignore[attr-defined]  # read by pytest
        return wrapper

    return decorated


@contextmanager
def _failures(cases: int) -> Iterator[list[BaseException]]:
    failures: list[BaseException] = []
    yield failures
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {cases} cases failed", failures)


@contextmanager
def _noted(case: dict[str, Any], failures: list[BaseException]) -> Iterator[None]:
    try:
        yield
    except (Exception, BaseExceptionGroup, pytest.fail.Exception) as failure:  # noqa: BLE001 - raised by _failures
        failure.add_note(f"case: {case!r}")
        failures.append(failure)
