"""The tasks that a client has submitted: what they are called, and which have not ended."""

import os
import threading
import weakref
from typing import TYPE_CHECKING, Dict, List, Optional, Set, Tuple

if TYPE_CHECKING:
    from ._rpar import Group
    from .asyncresult import AsyncResult

#: Groups that have ended are let go once so many are remembered, or twice as many as were left at the last time.
SWEEP = 64


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
        # groups of which something may not have ended, by the number of their first task
        self._groups: Dict[int, "Group"] = {}
        self._results: "weakref.WeakValueDictionary[int, AsyncResult]" = weakref.WeakValueDictionary()
        self._sweep_at = SWEEP

    def number(self, count: int) -> int:
        """Numbers `count` more tasks and returns the first of their numbers."""
        with self._lock:
            first = self._next
            self._next += count
            return first

    def add(self, first: int, group: "Group", result: "AsyncResult") -> None:
        """Remembers a group, whose tasks are numbered from `first` on, until all of it has ended."""
        with self._lock:
            self._groups[first] = group
            self._results[first] = result
            if len(self._groups) >= self._sweep_at:
                self._unfinished()
                self._sweep_at = max(SWEEP, 2 * len(self._groups))

    def names(self, first: int, count: int) -> List[str]:
        """Message ids of `count` tasks from number `first` on."""
        return ["%s_%d" % (self.session_id, number) for number in range(first, first + count)]

    def all_names(self) -> List[str]:
        """Message ids of all tasks so far."""
        return self.names(0, self._next)

    def outstanding(self) -> Set[str]:
        """Message ids of the tasks that have not ended, or whose end is not known here yet."""
        with self._lock:
            groups = self._unfinished()
        return {
            "%s_%d" % (self.session_id, first + index)
            for first, group in groups
            for index in range(len(group))
            if not group.has_ended(index)
        }

    def groups(self) -> List["Group"]:
        """The groups of which something has not ended."""
        with self._lock:
            return [group for _, group in self._unfinished()]

    def find(self, msg_id: str) -> Optional[Tuple["AsyncResult", int]]:
        """The result that a message id belongs to, and the task's place in it; None once nobody has that result."""
        session_id, _, text = msg_id.rpartition("_")
        if session_id != self.session_id or not text.isdigit():
            return None
        number = int(text)
        for first, result in list(self._results.items()):
            if first <= number < first + len(result._group):
                return result, number - first
        return None

    def _unfinished(self) -> List[Tuple[int, "Group"]]:
        # a group's end is looked at with its own lock alone, so that this is the only place where both are held
        for first in [first for first, group in self._groups.items() if group.finished() >= len(group)]:
            del self._groups[first]
        return list(self._groups.items())
