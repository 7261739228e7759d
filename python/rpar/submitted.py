"""What a view knows of the tasks that were submitted through it."""

import threading
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Set

from .targets import Targets

if TYPE_CHECKING:
    from ._rpar import Group
    from .asyncresult import AsyncResult
    from .client import Client


class Runs:
    """Numbers of tasks, as runs of neighbours: nothing is kept for a task."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._firsts: List[int] = []
        self._counts: List[int] = []

    def add(self, first: int, count: int) -> None:
        """Adds numbers that are higher than most others."""
        with self._lock:
            if self._firsts and self._firsts[-1] + self._counts[-1] == first:
                self._counts[-1] += count
                return
            place = bisect_right(self._firsts, first)
            self._firsts.insert(place, first)
            self._counts.insert(place, count)

    def __contains__(self, number: int) -> bool:
        with self._lock:
            place = bisect_right(self._firsts, number) - 1
            return place >= 0 and number < self._firsts[place] + self._counts[place]

    def __iter__(self) -> Iterator[int]:
        with self._lock:
            runs = list(zip(self._firsts, self._counts))
        return (number for first, count in runs for number in range(first, first + count))


class Submitted:
    """The part of a view that tells of its tasks.

    Where jobs are asked for, that is message ids, places in the view's `history`, results, or a list of those.
    """

    client: "Client"
    block: bool
    targets: Any

    def __init__(self) -> None:
        self._runs = Runs()

    @property
    def history(self) -> List[str]:
        """Message ids of the tasks that were submitted through this view, in that order."""
        return [self.client._history.name(number) for number in self._runs]

    @property
    def outstanding(self) -> Set[str]:
        """Message ids of those that have not ended."""
        return {
            self.client._history.name(first + index)
            for first, group in self.client._history.unfinished.items()
            if first in self._runs
            for index in range(len(group))
            if not group.has_ended(index)
        }

    @property
    def results(self) -> "Results":
        """What tasks gave that have ended, by message id, as far as somebody has their results."""
        return Results(self)

    def wait(self, jobs: Any = None, timeout: Optional[float] = -1) -> bool:
        """Waits until tasks have ended, all of this view unless `jobs` says which; tells whether they have.

        Parameters
        ----------
        jobs : optional
        timeout : float, optional
            Seconds to wait at most; None or a negative number is for ever.
        """
        import time

        if jobs is not None:
            return self.client.wait(self._named(jobs), timeout)
        end = None if timeout is None or timeout < 0 else time.monotonic() + timeout
        return all(
            group.wait_all(None if end is None else max(0.0, end - time.monotonic())) for group in self._groups()
        )

    def get_result(self, indices_or_msg_ids: Any = None, block: Optional[bool] = None) -> "AsyncResult":
        """A result that somebody in this program still has; by default that of the last task.

        Parameters
        ----------
        indices_or_msg_ids : optional
        block : bool, optional
            Whether to wait until it is there; default is the view's.

        Raises
        ------
        KeyError
            If nobody has it any more, or there is no such task.
        """
        jobs = self._named(-1 if indices_or_msg_ids is None else indices_or_msg_ids)
        return self.client.get_result(jobs, block=self.block if block is None else block)

    def abort(self, jobs: Any = None, targets: Any = None, block: Optional[bool] = None) -> None:
        """Cancels tasks, all of this view that have not ended unless `jobs` says which. Those that run are interrupted, too.

        Parameters
        ----------
        jobs : optional
        targets
            Taken for the sake of older programs: a task is cancelled wherever it is.
        block : bool, optional
            Whether to wait until they have ended; default is the view's.
        """
        block = self.block if block is None else block
        if jobs is not None:
            self.client.abort(self._named(jobs), block=block)
            return
        groups = self._groups()
        for group in groups:
            self.client._session.cancel(group)
        for group in groups if block else ():
            group.wait_all(None)

    def queue_status(self, targets: Targets = None, verbose: bool = False) -> Dict[Any, Any]:
        """How many tasks the view's engines have and had; see `Client.queue_status`."""
        return self.client.queue_status(self._those(targets), verbose)

    def purge_results(self, jobs: Any = (), targets: Any = ()) -> None:
        """Lets go of results; see `Client.purge_results`."""
        self.client.purge_results(self._named(jobs), targets)

    def shutdown(self, targets: Targets = None, restart: bool = False, block: Optional[bool] = None) -> None:
        """Ends the view's engines, or others; see `Client.shutdown`."""
        block = self.block if block is None else block
        self.client.shutdown(self._those(targets), restart=restart, block=block)

    def spin(self) -> None:
        """Does nothing: results come by themselves."""

    def _those(self, targets: Targets) -> Targets:
        targets = self.targets if targets is None else targets
        return "all" if targets is None else targets

    def _groups(self) -> List["Group"]:
        """The groups of which something has not ended."""
        return [group for first, group in self.client._history.unfinished.items() if first in self._runs]

    def _named(self, jobs: Any) -> Any:
        """The same, with message ids in place of places in the history."""
        if not isinstance(jobs, (int, list, tuple, set)):
            return jobs
        history = self.history
        if isinstance(jobs, int):
            return history[jobs]
        return [history[job] if isinstance(job, int) else job for job in jobs]


class Results(Mapping[str, Any]):
    """What a view's tasks gave, by message id."""

    def __init__(self, view: Submitted) -> None:
        self._view = view

    def __getitem__(self, msg_id: str) -> Any:
        """Waits for the task's end; one that has failed raises."""
        return self._view.client.get_result(msg_id).get()

    def __iter__(self) -> Iterator[str]:
        for result in self._view.client._history.results():
            for tasks, index in result._indexes():
                if tasks.first in self._view._runs and tasks.group.has_ended(index):
                    yield self._view.client._history.name(tasks.first + index)

    def __len__(self) -> int:
        return sum(1 for _ in self)
