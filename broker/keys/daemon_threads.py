"""An executor for calls that may block for ever, for instance on a lost mount."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from threading import Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class DaemonThreadExecutor(Executor):
    """Runs each call in a daemon thread of its own.

    The event loop's default executor has few threads and also resolves host names: blocked calls would exhaust it.
    Besides, the interpreter joins its threads at exit.
    """

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Start `fn` in a new thread."""
        future: Future[R] = Future()
        Thread(target=_run, args=(future, fn, args, kwargs), daemon=True).start()
        return future


def _run(future: Future[R], work: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        result = work(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - the future carries every error to its waiter
        future.set_exception(error)
    else:
        future.set_result(result)
