"""Results that may not be there yet."""

import pickle
import threading
import time
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Union

from . import error

if TYPE_CHECKING:
    from ._rpar import Failure, Group, Session

#: Results are fetched in lots, of so many at most.
LOT = 4096

_MISSING: Any = object()

#: The exception for each way in which a task can end, by the name of its status.
_ERRORS = {
    "TimedOut": error.TaskTimeout,
    "Cancelled": error.TaskAborted,
    "Crashed": error.EngineError,
    "Lost": error.EngineError,
    "Unplaced": error.NoEnginesRegistered,
}


class AsyncResult:
    """The result of ``apply``, which may not be there yet."""

    def __init__(self, session: "Session", group: "Group", fname: str, return_exceptions: bool = False) -> None:
        self._session = session
        self._group = group
        self._fname = fname
        self._return_exceptions = return_exceptions
        # what has been fetched, by task; an exception is kept as the exception
        self._fetched: List[Any] = [_MISSING] * len(group)
        self._lock = threading.Lock()
        self._submitted = time.monotonic()
        self._finished: Optional[float] = None

    def __repr__(self) -> str:
        state = ("finished" if self.successful() else "failed") if self.ready() else "pending"
        return "<%s(%s): %s>" % (type(self).__name__, self._fname, state)

    def __len__(self) -> int:
        return len(self._group)

    def get(self, timeout: Optional[float] = None, return_exceptions: Optional[bool] = None) -> Any:
        """Waits for the result and returns it.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; None or a negative number is for ever.
        return_exceptions : bool, optional
            Whether an exception is returned in place of being raised.

        Raises
        ------
        TimeoutError
            If it is not there in time.
        rpar.error.RemoteError
            If the function has raised an exception, or its interpreter has died.
        """
        if not self.wait(timeout):
            raise error.TimeoutError("Result not ready.")
        if return_exceptions is None:
            return_exceptions = self._return_exceptions
        return self._gather(self._fetch_all(), return_exceptions)

    def _gather(self, values: Sequence[Any], return_exceptions: bool) -> Any:
        value = values[0]
        if isinstance(value, _Failed) and not return_exceptions:
            raise value.error
        return value.error if isinstance(value, _Failed) else value

    def wait(self, timeout: Optional[float] = -1) -> bool:
        """Waits until it is there, at most `timeout` seconds (None or -1 is for ever), and tells whether it is."""
        ready = self._group.wait_all(None if timeout is None or timeout < 0 else timeout)
        if ready and self._finished is None:
            self._finished = time.monotonic()
        return ready

    def ready(self) -> bool:
        """Whether all tasks have ended."""
        return self.wait(0)

    def successful(self) -> bool:
        """Whether all tasks have ended well.

        Raises
        ------
        RuntimeError
            If some have not ended.
        """
        if not self.ready():
            raise RuntimeError("Cannot check successful() if not done.")
        return not any(isinstance(value, _Failed) for value in self._fetch_all())

    def abort(self) -> None:
        """Cancels what has not ended. Tasks that run are interrupted; each ends as `rpar.error.TaskAborted`.

        Raises
        ------
        RuntimeError
            If all have ended.
        """
        if self.ready():
            raise RuntimeError("Can't abort, I am already done!")
        self._session.cancel(self._group)

    def cancel(self) -> bool:
        """`abort` as futures have it: tells whether there was anything to cancel."""
        if self.ready():
            return False
        self._session.cancel(self._group)
        return True

    @property
    def r(self) -> Any:
        """`get` as an attribute."""
        return self.get()

    @property
    def progress(self) -> int:
        """How many items are done; ``len`` tells how many there are."""
        return self._group.finished()

    @property
    def elapsed(self) -> float:
        """Seconds since the submission; once all is done and was looked at, until then."""
        self.ready()
        return (self._finished or time.monotonic()) - self._submitted

    @property
    def serial_time(self) -> float:
        """Seconds that all tasks have run, in sum: what a single engine would have needed.

        Raises
        ------
        TimeoutError
            If some have not ended.
        """
        self._check_ready()
        return sum(self._group.outcome(index).duration for index in range(len(self._group)))

    @property
    def engine_id(self) -> Union[Optional[int], List[Optional[int]]]:
        """Id of the engine that ran it; for a map, a list with one for each task."""
        self._check_ready()
        engines = [self._group.outcome(index).engine for index in range(len(self._group))]
        return engines if isinstance(self, AsyncMapResult) else engines[0]

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("AsyncResults with a single result are not iterable.")

    def __getitem__(self, key: Union[int, slice]) -> Any:
        self._check_ready()
        return self.get()[key]

    def _check_ready(self) -> None:
        if not self.ready():
            raise error.TimeoutError("Result not ready.")

    def _fetch_all(self) -> List[Any]:
        """All results; they are there."""
        index = 0
        while index < len(self._fetched):
            index += self._fetch(index)
        return self._fetched

    def _fetch(self, index: int) -> int:
        """Waits for task `index` and fetches what there is from there on; returns how many are in `_fetched` now."""
        with self._lock:
            fetched = self._fetched
            if fetched[index] is not _MISSING:
                return 1
            end = index + 1
            stop = min(len(fetched), index + LOT)
            while end < stop and fetched[end] is _MISSING:
                end += 1
            payloads = self._group.results(index, end - index)
            fetched[index : index + len(payloads)] = self._decode(payloads)
            self._group.forget(index, len(payloads))
            return len(payloads)

    def _decode(self, payloads: List[Any]) -> List[Any]:
        loads = pickle.loads
        try:
            # nearly always all are well
            return [loads(payload) for payload in payloads]
        except Exception:
            return [self._decode_one(payload) for payload in payloads]

    def _decode_one(self, payload: Union[bytes, "Failure"]) -> Any:
        if not isinstance(payload, bytes):
            return _Failed(self._error(payload))
        try:
            return pickle.loads(payload)
        except Exception as problem:
            what = "the result of %s cannot be unpickled here: %s" % (self._fname, problem)
            failed = error.RemoteError(type(problem).__name__, what, "", {"engine_id": None, "method": self._fname})
            failed.__cause__ = problem
            return _Failed(failed)

    def _error(self, failure: "Failure") -> error.RemoteError:
        info: Dict[str, Any] = {"engine_id": failure.engine, "method": self._fname}
        kind = _ERRORS.get(failure.status)
        if kind is not None:
            return kind(kind.__name__, failure.message, failure.detail, info)
        name, _, text = failure.message.partition(": ")
        return error.RemoteError(name, text, failure.detail, info, failure.exception)


class AsyncMapResult(AsyncResult):
    """The results of ``map``: a list once all are there; iterable at any time, as they come."""

    def __init__(
        self,
        session: "Session",
        group: "Group",
        fname: str,
        chunksize: int,
        items: int,
        ordered: bool,
        return_exceptions: bool,
    ) -> None:
        super().__init__(session, group, fname, return_exceptions)
        self.ordered = ordered
        self._chunksize = chunksize
        self._items = items
        # tasks in order of completion, as far as somebody has asked
        self._arrived: List[int] = []

    def __len__(self) -> int:
        return self._items

    @property
    def progress(self) -> int:
        """How many items are done; ``len`` tells how many there are."""
        return min(self._group.finished() * self._chunksize, self._items)

    def __iter__(self) -> Iterator[Any]:
        """Yields results as they come; a call that has failed raises, unless ``return_exceptions`` was asked for."""
        indexes = range(len(self._fetched)) if self.ordered else self._completion()
        for index in indexes:
            value = self._fetched[index]
            if value is _MISSING:
                self._fetch(index)
                value = self._fetched[index]
            if isinstance(value, _Failed):
                if not self._return_exceptions:
                    raise self._composite([value])
                yield value.error
            elif self._chunksize == 1:
                yield value
            else:
                yield from value

    def _completion(self) -> Iterator[int]:
        place = 0
        while place < len(self._fetched):
            with self._lock:
                if place == len(self._arrived):
                    self._arrived += self._group.next_finished(LOT)
                index = self._arrived[place]
            yield index
            place += 1

    def _gather(self, values: Sequence[Any], return_exceptions: bool) -> List[Any]:
        failed = [value for value in values if isinstance(value, _Failed)]
        if failed and not return_exceptions:
            raise self._composite(failed)
        if self._chunksize == 1:
            return [v.error if isinstance(v, _Failed) else v for v in values] if failed else list(values)
        flat: List[Any] = []
        for value in values:
            if isinstance(value, _Failed):
                flat.append(value.error)
            else:
                flat += value
        return flat

    def _composite(self, failed: Sequence["_Failed"]) -> error.CompositeError:
        return error.CompositeError("one or more exceptions raised in: %s" % self._fname, [f.error for f in failed])


class _Failed:
    """Stands among results for a task that did not end well, which a result that is an exception does not."""

    __slots__ = ("error",)

    def __init__(self, error: error.RemoteError) -> None:
        self.error = error
