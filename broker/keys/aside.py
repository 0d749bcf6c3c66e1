"""Work that a lost mount may keep for ever, in threads that nobody has to wait for."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from threading import Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Aside(Executor):
    """A daemon thread for each call.

    The loop's own executor has a few threads, for names to be resolved as well: those that hang would use them up. And
    it is waited for at the end.
    """

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Start `fn` at once."""
        future: Future[R] = Future()
        Thread(target=_run, args=(future, fn, args, kwargs), daemon=True).start()
        return future


def _run(future: Future[R], work: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        result = work(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the one who waits for the future is told
        future.set_exception(error)
    else:
        future.set_result(result)
