"""Results that may not be there yet."""

import pickle
import threading
import time
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from . import error, versions

if TYPE_CHECKING:
    from ._rpar import Failure, Group
    from .client import Client

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
    """The result of a call, on one engine or on several, which may not be there yet.

    Parameters
    ----------
    client : Client
    group : Group
        The tasks. They are submitted: their number does not change any more.
    fname : str
        What was called, for people.
    targets : list of int, optional
        For each task the engine that was asked for; None if any could take it.
    single : bool, default True
        Whether there is one value, and not a list with one for each task.
    return_exceptions : bool, default False
        Whether exceptions are returned in place of being raised.
    """

    def __init__(
        self,
        client: "Client",
        group: "Group",
        fname: str,
        *,
        targets: Optional[List[int]] = None,
        single: bool = True,
        return_exceptions: bool = False,
    ) -> None:
        self._client = client
        self._group = group
        self._fname = fname
        self._targets = targets
        self._single = single
        self._return_exceptions = return_exceptions
        # whether a task's result is one value, and not a list of several
        self._flat = True
        self._first = client._number(len(group))
        client._history.add(self._first, group, self)
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
        failed = [value for value in values if isinstance(value, _Failed)]
        if failed and not return_exceptions:
            raise failed[0].error if self._single else self._composite(failed)
        plain = [v.error if isinstance(v, _Failed) else v for v in values] if failed else list(values)
        return plain[0] if self._single else plain

    def _composite(self, failed: Sequence["_Failed"]) -> error.CompositeError:
        return error.CompositeError("one or more exceptions raised in: %s" % self._fname, [f.error for f in failed])

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
        self._client._session.cancel(self._group)

    def cancel(self) -> bool:
        """`abort` as futures have it: tells whether there was anything to cancel."""
        if self.ready():
            return False
        self._client._session.cancel(self._group)
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
        """Id of the engine that ran it; a list with one for each task, unless there is a single value."""
        self._check_ready()
        engines = [self._group.outcome(index).engine for index in range(len(self._group))]
        return engines[0] if self._single else engines

    @property
    def msg_ids(self) -> List[str]:
        """What its tasks are called, in the order of submission."""
        return self._client._history.names(self._first, len(self._group))

    def __iter__(self) -> Iterator[Any]:
        """Yields the results in order, each as soon as it is there."""
        if self._single:
            raise TypeError("AsyncResults with a single result are not iterable.")
        return self._each()

    def _each(self) -> Iterator[Any]:
        return self._in_order(range(len(self._fetched)))

    def _in_order(self, indexes: Iterable[int]) -> Iterator[Any]:
        fetched, flat = self._fetched, self._flat
        for index in indexes:
            value = fetched[index]
            if value is _MISSING:
                self._fetch(index)
                value = fetched[index]
            if isinstance(value, _Failed):
                if not self._return_exceptions:
                    raise self._composite([value])
                yield value.error
            elif flat:
                yield value
            else:
                yield from value

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
            if isinstance(payloads[0], bytes):
                versions.warn(payloads[0])
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
            why = "%s%s" % (problem, versions.explained(payload))
            what = "the result of %s cannot be unpickled here: %s" % (self._fname, why)
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
    """The results of ``map``: a list once all are there; iterable at any time, as they come.

    Parameters
    ----------
    chunks : (int or list of int, int)
        How many items each task has, and how many there are. An int is for all tasks, but the last may have fewer; 1 is
        for tasks whose result is an item. All others are answered by a list of items.
    ordered : bool, default True
        Whether iteration is in the order of the sequences, or of completion.
    """

    def __init__(
        self,
        client: "Client",
        group: "Group",
        fname: str,
        *,
        chunks: Tuple[Union[int, List[int]], int],
        ordered: bool = True,
        return_exceptions: bool = False,
        targets: Optional[List[int]] = None,
    ) -> None:
        super().__init__(client, group, fname, targets=targets, single=False, return_exceptions=return_exceptions)
        self.ordered = ordered
        self._chunk, self._items = chunks
        self._flat = self._chunk == 1
        # tasks in order of completion, as far as somebody has asked
        self._arrived: List[int] = []

    def __len__(self) -> int:
        return self._items

    @property
    def progress(self) -> int:
        """How many items are done; ``len`` tells how many there are."""
        if isinstance(self._chunk, int):
            return min(self._group.finished() * self._chunk, self._items)
        return sum(size for index, size in enumerate(self._chunk) if self._group.has_ended(index))

    def _each(self) -> Iterator[Any]:
        return self._in_order(range(len(self._fetched)) if self.ordered else self._completion())

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
        plain: List[Any] = super()._gather(values, return_exceptions)
        if self._flat:
            return plain
        flat: List[Any] = []
        for before, value in zip(values, plain):
            if isinstance(before, _Failed):
                flat.append(value)
            else:
                flat += value
        return flat


class _Failed:
    """Stands among results for a task that did not end well, which a result that is an exception does not."""

    __slots__ = ("error",)

    def __init__(self, error: error.RemoteError) -> None:
        self.error = error
