"""The tasks of a group, and their results as far as they have been fetched."""

import pickle
import threading
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Type, Union

from . import error, serialize, versions

if TYPE_CHECKING:
    from ._rpar import Failure, Group
    from .client import Client
    from .metadata import Metadata

#: Results are fetched in lots, of so many at most.
LOT = 4096

#: Stands for a result that has not been fetched.
MISSING: Any = object()

#: Seconds for which a wait may miss that another thread has taken what it waits for.
SHARE = 0.1

#: The exception for a way in which a task can end, by the name of its status; the rest is in `Tasks`.
ERRORS = {
    "TimedOut": error.TaskTimeout,
    "Crashed": error.EngineError,
    "Lost": error.EngineError,
    "Unplaced": error.NoEnginesRegistered,
}


class Failed:
    """Stands among results for a task that did not end well, which a result that is an exception does not."""

    __slots__ = ("error",)

    def __init__(self, error: error.RemoteError) -> None:
        self.error = error


class Tasks:
    """A group's tasks. The results that are parts of each other share it.

    Attributes
    ----------
    first : int
        The number of the first task, among all of its client.
    targets : list of int or None
        For each task the engine that was asked for.
    values : list
        For each task what has been fetched: its result, a `Failed`, or `MISSING`.
    arrived : list of int
        Indexes in order of completion, as far as somebody has asked.
    submitted : float
        When that was, in seconds since 1970.
    """

    def __init__(self, client: "Client", group: "Group", fname: str, targets: Optional[List[int]]) -> None:
        self.client = client
        self.group = group
        self.fname = fname
        self.targets = targets
        self.count = len(group)
        self.first = client._number(self.count)
        self.submitted = time.time()
        self.values: List[Any] = [MISSING] * self.count
        self.arrived: List[int] = []
        self.metadata: Dict[int, "Metadata"] = {}
        # message ids of tasks that these wait for, and of those on whose engines they are to run
        self.after: Optional[List[str]] = None
        self.follow: Optional[List[str]] = None
        self._lock = threading.Lock()

    def __del__(self) -> None:
        self.client._history.unfinished.dropped.append(self.first)

    def wait(self, start: int, stop: int, timeout: Optional[float]) -> bool:
        """Waits until the tasks from `start` to before `stop` have ended; False if that takes over `timeout` seconds."""
        if stop - start == self.count:
            return self.group.wait_all(timeout)
        return self.group.wait_some(start, stop - start, timeout)

    def fetch(self, index: int) -> Any:
        """Waits for a task, fetches what there is from there on, and returns the task's value."""
        values = self.values
        if values[index] is MISSING:
            # with the lock held nothing is waited for
            if not self.group.has_ended(index):
                self.group.wait_some(index, 1, None)
            self._fetch_lot(index)
        return values[index]

    def fetch_all(self, start: int, stop: int) -> List[Any]:
        """The values of tasks that have all ended."""
        values, index = self.values, start
        while index < stop:
            index += self._fetch_lot(index)
        return values if stop - start == self.count else values[start:stop]

    def arrive(self, timeout: float) -> None:
        """Adds to `arrived` what has ended since; waits at most `timeout` seconds if that is nothing."""
        indexes = self.group.next_finished(LOT, timeout)
        with self._lock:
            self.arrived += indexes

    def ended(self, start: int, stop: int) -> int:
        """How many of the tasks from `start` to before `stop` have ended."""
        if stop - start == self.count:
            return self.group.finished()
        return sum(map(self.group.has_ended, range(start, stop)))

    def ended_all(self) -> bool:
        """Whether all have ended."""
        return self.group.finished() >= self.count

    def _fetch_lot(self, index: int) -> int:
        """Fetches a task that has ended, and those after it; returns how many are in `values` now."""
        with self._lock:
            values = self.values
            if values[index] is not MISSING:
                return 1
            end = index + 1
            stop = min(self.count, index + LOT)
            while end < stop and values[end] is MISSING:
                end += 1
            payloads = self.group.results(index, end - index)
            if isinstance(payloads[0], bytes):
                versions.warn(payloads[0])
            values[index : index + len(payloads)] = self._decode(payloads)
            self.group.forget(index, len(payloads))
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
            return Failed(self._error(payload))
        try:
            return pickle.loads(payload)
        except Exception as problem:
            why = "%s%s" % (problem, versions.explained(payload))
            what = "the result of %s cannot be unpickled here: %s" % (self.fname, why)
            failed = error.RemoteError(type(problem).__name__, what, "", {"engine_id": None, "method": self.fname})
            failed.__cause__ = problem
            return Failed(failed)

    def _error(self, failure: "Failure") -> error.RemoteError:
        info: Dict[str, Any] = {"engine_id": failure.engine, "method": self.fname}
        kind = self._kind(failure.status)
        if kind is not None:
            return kind(kind.__name__, failure.message, failure.detail, info)
        name, _, text = failure.message.partition(": ")
        text += serialize.missing(name, text)
        return error.RemoteError(name, text, failure.detail, info, failure.exception)

    def _kind(self, status: str) -> Optional[Type[error.RemoteError]]:
        if status == "Cancelled":
            from .shared_errors import Cancelled

            return Cancelled
        if status == "Unplaced" and (self.after or self.follow):
            return error.ImpossibleDependency
        return ERRORS.get(status)
