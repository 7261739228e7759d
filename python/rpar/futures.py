"""What results have in common with `concurrent.futures.Future`, at no cost until somebody wants it."""

import threading
from typing import TYPE_CHECKING, Any, Callable, Generator, Optional

from . import error

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .client import Client

    _Base = Future[Any]
else:
    _Base = object

#: When to return, as `concurrent.futures` calls it.
ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION = "ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"

#: What `Future.__init__` sets, which is called when one of them is first asked for.
_STATE = frozenset(("_condition", "_state", "_result", "_exception", "_waiters", "_done_callbacks"))

_lock = threading.Lock()


def make_future(kind: type) -> None:
    """Makes `concurrent.futures.Future` a base of a class of results, which happens with the first of them.

    To import it takes as long as the rest of this package does, which most programs import for less than a result.
    """
    from concurrent.futures import Future

    with _lock:
        if not issubclass(kind, Future):
            kind.__bases__ = (*kind.__bases__, Future)


class LazyFuture(_Base):
    """A future that looks at its tasks when it is asked, and has itself told of their end only for callbacks.

    The state of a `Future` comes into being when it is first looked at: by `concurrent.futures.wait`, `as_completed`,
    `add_done_callback` or asyncio. From then on the client's `Callbacks` settle it.
    """

    _client: "Client"

    def get(self, timeout: Optional[float] = None) -> Any:
        """Waits for the result and returns it."""
        raise NotImplementedError

    def wait(self, timeout: Optional[float] = None) -> Any:
        """Waits for the result."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether it is there."""
        raise NotImplementedError

    def _problem(self) -> Optional[error.RemoteError]:
        """What `result` raises. It is there."""
        raise NotImplementedError

    def _value(self) -> Any:
        """What `result` returns, if there is no problem. It is there."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        if name not in _STATE:
            raise AttributeError("%r object has no attribute %r" % (type(self).__name__, name))
        self._become_future()
        return self.__dict__[name]

    def _become_future(self) -> None:
        with self._client._callbacks.becoming:
            if _STATE <= self.__dict__.keys():
                return
            super().__init__()
            if not self.ready():
                self._client._callbacks.add(self)
                return
        self._settle()

    def _settle(self) -> None:
        """Tells all who wait. It is there. Does nothing the second time."""
        try:
            problem = self._problem()
            value = None if problem else self._value()
        except BaseException as other:
            problem, value = other, None  # type: ignore[assignment]
        from concurrent.futures import InvalidStateError

        try:
            if problem is None:
                self.set_result(value)
            else:
                self.set_exception(problem)
        except InvalidStateError:
            pass

    def done(self) -> bool:
        """Whether all tasks have ended; `ready` as futures have it."""
        return self.ready()

    def running(self) -> bool:
        """Whether some tasks have ended and others have not. Where a task begins is not told."""
        raise NotImplementedError

    def cancelled(self) -> bool:
        """Whether it has ended by being cancelled. That is so a moment after `cancel`, unless all ended before."""
        if not self.ready():
            return False
        problem = self._problem()
        failed = problem.errors if isinstance(problem, error.CompositeError) else [problem]
        return all(isinstance(each, error.TaskAborted) for each in failed)

    def result(self, timeout: Optional[float] = None) -> Any:
        """Waits for the result and returns it; raises an exception even where ``return_exceptions`` keeps one.

        Raises
        ------
        TimeoutError
            If it is not there within `timeout` seconds.
        rpar.error.RemoteError
            If a task did not end well.
        """
        problem = self.exception(timeout)
        if problem is not None:
            raise problem
        return self._value()

    def exception(self, timeout: Optional[float] = None) -> Optional[error.RemoteError]:
        """Waits for the result, and returns what `result` would raise; None if all is well.

        Raises
        ------
        TimeoutError
            If it is not there within `timeout` seconds.
        """
        if not self.wait(timeout):
            raise late()
        return self._problem()

    def then(self, function: Callable[[Any], Any]) -> "Future[Any]":
        """Calls `function` with the result once it is there, on the client's own thread.

        Returns
        -------
        concurrent.futures.Future
            Of what `function` returns. An exception, of a task or of `function`, is passed on.
        """
        from concurrent.futures import Future

        following: "Future[Any]" = Future()

        def follow(_: Any) -> None:
            if not following.set_running_or_notify_cancel():
                return
            try:
                following.set_result(function(self.result()))
            except BaseException as problem:
                following.set_exception(problem)

        self.add_done_callback(follow)
        return following

    def __await__(self) -> Generator[Any, None, Any]:
        """Under asyncio: ``await result``. Cancelling that cancels the tasks."""
        import asyncio

        return asyncio.wrap_future(self).__await__()


def late() -> TimeoutError:
    """What is raised when a result is not there in time."""
    from .shared_errors import LateError

    return LateError("Result not ready.")
