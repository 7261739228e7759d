"""Views as `concurrent.futures` has them."""

import concurrent.futures
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Optional

from .futures import late
from .history import Unfinished
from .tasks import Failed

if TYPE_CHECKING:
    from .asyncresult import AsyncMapResult, AsyncResult
    from .view import View


class Executor(concurrent.futures.Executor):
    """Runs calls on the engines of a view. Its futures are `AsyncResult`.

    Parameters
    ----------
    view : View
        Its flags hold for all calls, such as ``retries`` and ``timeout``.
    """

    def __init__(self, view: "View") -> None:
        self.view = view
        self._lock = threading.Lock()
        self._ended = False
        self._unfinished = Unfinished()

    def __repr__(self) -> str:
        return "<%s on %r>" % (type(self).__name__, self.view)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "AsyncResult":  # type: ignore[override]
        """Calls ``fn(*args, **kwargs)`` on an engine.

        Raises
        ------
        RuntimeError
            After `shutdown`.
        """
        with self._lock:
            self._check_open()
            return self._remember(self.view.apply_async(fn, *args, **kwargs))

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: Optional[float] = None,
        chunksize: Optional[int] = None,
        **flags: Any,
    ) -> Iterator[Any]:
        """Calls `fn` with the items of the iterables, which are taken at once, and yields the results in their order.

        What is not needed any more because the iterator was closed, or because a call has failed, is cancelled.

        Parameters
        ----------
        timeout : float, optional
            Seconds from now after which results that are not there raise `TimeoutError`.
        chunksize : int, optional
            How many items make one task; default is the view's.
        **flags
            Those of the view's ``map_async``.

        Raises
        ------
        RuntimeError
            After `shutdown`.
        """
        end = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            self._check_open()
            result = self._remember(self.view.map_async(fn, *iterables, chunksize=chunksize, **flags))
        return _results(result, end)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls. Engines go on: they are the cluster's.

        Parameters
        ----------
        wait : bool, default True
            Whether to wait until all calls have ended.
        cancel_futures : bool, default False
            Whether calls are cancelled that have not begun.
        """
        with self._lock:
            self._ended = True
        groups = self._unfinished.groups()
        if cancel_futures:
            for group in groups:
                self.view.client._session.cancel(group, queued=True)
        for group in groups if wait else ():
            group.wait_all(None)

    def _check_open(self) -> None:
        if self._ended:
            raise RuntimeError("cannot schedule new futures after shutdown")

    def _remember(self, result: Any) -> Any:
        tasks = result._parts[0][0]
        self._unfinished.add(tasks.first, tasks.group)
        return result


def _results(result: "AsyncMapResult", end: Optional[float]) -> Iterator[Any]:
    tasks = result._parts[0][0]
    try:
        for index in range(tasks.count):
            if end is not None and not tasks.wait(index, index + 1, max(0.0, end - time.monotonic())):
                raise late()
            value = tasks.fetch(index)
            if isinstance(value, Failed):
                if not result._return_exceptions:
                    raise value.error
                yield value.error
            elif result._flat:
                yield value
            else:
                yield from value
    finally:
        result.cancel()
