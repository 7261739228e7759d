"""The tasks that a client has submitted: what they are called, and which have not ended."""

import os
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Deque, Dict, Iterable, List, Optional, Set, Tuple

if TYPE_CHECKING:
    from ._rpar import Group
    from .asyncresult import AsyncResult
    from .tasks import Tasks

#: Groups that have ended are let go once so many are remembered, or twice as many as were left at the last time.
SWEEP = 64


class Unfinished:
    """Groups of tasks by a number, until all their tasks have ended.

    Attributes
    ----------
    dropped : deque of int
        Groups that nobody can ask any more, and which go with the next that is added if they have ended.
    """

    def __init__(self) -> None:
        # a garbage collection may add to it at any time, so that it is looked at without surprise
        self.dropped: Deque[int] = deque()
        self._lock = threading.Lock()
        self._groups: Dict[int, "Group"] = {}
        self._sweep_at = SWEEP

    def add(self, number: int, group: "Group") -> None:
        """Adds a group. Those that have ended go now and then, so that adding costs the same however many there are."""
        with self._lock:
            while self.dropped:
                self._let_go(self.dropped.popleft())
            self._groups[number] = group
            if len(self._groups) >= self._sweep_at:
                self._sweep()
                self._sweep_at = max(SWEEP, 2 * len(self._groups))

    def items(self) -> List[Tuple[int, "Group"]]:
        """Those of which something has not ended, with their numbers."""
        with self._lock:
            self._sweep()
            return list(self._groups.items())

    def groups(self) -> List["Group"]:
        """Those of which something has not ended."""
        return [group for _, group in self.items()]

    def _sweep(self) -> None:
        for number in list(self._groups):
            self._let_go(number)

    def _let_go(self, number: int) -> None:
        group = self._groups.get(number)
        if group is not None and group.finished() >= len(group):
            del self._groups[number]


class History:
    """Numbers the tasks of a client, in the order of their submission.

    A task's message id is the session's id, an underscore, and its number. Nothing is kept for a task: groups are known by
    the number of their first one.

    Attributes
    ----------
    session_id : str
        What no other client has.
    """

    def __init__(self) -> None:
        self.session_id = os.urandom(16).hex()
        self._lock = threading.Lock()
        self._next = 0
        #: groups by the number of their first task
        self.unfinished = Unfinished()
        self._results: "weakref.WeakValueDictionary[int, AsyncResult]" = weakref.WeakValueDictionary()

    def number(self, count: int) -> int:
        """Numbers `count` more tasks and returns the first of their numbers."""
        with self._lock:
            first = self._next
            self._next += count
            return first

    def add(self, tasks: "Tasks", result: "AsyncResult") -> None:
        """Remembers tasks until all have ended, and their result for as long as somebody has it."""
        self.unfinished.add(tasks.first, tasks.group)
        with self._lock:
            self._results[tasks.first] = result

    def name(self, number: int) -> str:
        """A task's message id."""
        return "%s_%d" % (self.session_id, number)

    def names(self, first: int, count: int) -> List[str]:
        """Message ids of `count` tasks from number `first` on."""
        return list(map(self.name, range(first, first + count)))

    def all_names(self) -> List[str]:
        """Message ids of all tasks so far."""
        return self.names(0, self._next)

    def outstanding(self) -> Set[str]:
        """Message ids of the tasks that have not ended, or whose end is not known here yet."""
        return {
            self.name(first + index)
            for first, group in self.unfinished.items()
            for index in range(len(group))
            if not group.has_ended(index)
        }

    def at(self, place: int) -> str:
        """The message id at a place of `all_names`.

        Raises
        ------
        IndexError
            If there are not so many.
        """
        return self.name(range(self._next)[place])

    def results(self) -> List["AsyncResult"]:
        """The results that somebody still has, in the order of submission."""
        with self._lock:
            return [result for _, result in sorted(self._results.items())]

    def purge(self, results: Iterable["AsyncResult"]) -> None:
        """Forgets results, also if somebody has them."""
        with self._lock:
            for result in results:
                for tasks, _, _ in result._parts:
                    self._results.pop(tasks.first, None)

    def find(self, msg_id: str) -> Optional[Tuple["AsyncResult", int]]:
        """The result that a message id belongs to, and the task's place in it; None once nobody has that result."""
        session_id, _, text = msg_id.rpartition("_")
        if session_id != self.session_id or not text.isdigit():
            return None
        number = int(text)
        for first, result in list(self._results.items()):
            if first <= number < first + result._parts[0][0].count:
                return result, number - first
        return None
