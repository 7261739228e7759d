"""What a result knows beside its values: where its tasks ran, when, and what they printed."""

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Callable, ContextManager, Dict, Iterable, List, Optional, Sequence, Union

from .futures import late
from .metadata import EMPTY, Metadata, glance, metadata
from .parts import Parts
from .tasks import Failed

if TYPE_CHECKING:
    from ._rpar import Ended, Group
    from .client import Client


class Known(Parts):
    """The part of a result that tells of its tasks. All names of `metadata` are attributes too."""

    _client: "Client"
    _single: bool

    def __getattr__(self, name: str) -> Any:
        if name in EMPTY:
            return self._named(name)
        return super().__getattr__(name)  # type: ignore[misc]

    def __dir__(self) -> List[str]:
        return sorted({*super().__dir__(), *EMPTY})

    @property
    def _group(self) -> "Group":
        """The tasks, where they are all of one group."""
        (tasks, _, _), *others = self._parts
        assert not others, "a joined result has no group"
        return tasks.group

    def _wait_for(self, after: List[str], follow: List[str]) -> None:
        """Takes note of message ids of tasks that these wait for, and of those on whose engines they are to run."""
        for tasks, _, _ in self._parts:
            tasks.after, tasks.follow = after or None, follow or None

    def _one_or_all(self, values: List[Any]) -> Any:
        return values[0] if self._single else values

    def _named(self, name: str) -> Any:
        """What metadata has under a name: for each task, unless there is a single value."""
        if name not in EMPTY:
            raise KeyError(name)
        return self._one_or_all([glance(tasks, index)[name] for tasks, index in self._indexes()])

    def _ended(self) -> Iterable["Ended"]:
        """How the tasks have ended.

        Raises
        ------
        TimeoutError
            If some have not.
        """
        if not self.wait(0):  # type: ignore[attr-defined]
            raise late()
        return (tasks.group.outcome(index) for tasks, index in self._indexes())

    @property
    def msg_ids(self) -> List[str]:
        """What its tasks are called, in the order of submission."""
        names = self._client._history.names
        return [name for tasks, start, stop in self._parts for name in names(tasks.first + start, stop - start)]

    @property
    def metadata(self) -> Union[Metadata, List[Metadata]]:
        """What is known of each task now: a list, unless there is a single value."""
        known: Union[Metadata, List[Metadata]] = self._one_or_all([metadata(*each) for each in self._indexes()])
        return known

    @property
    def elapsed(self) -> float:
        """Seconds since the submission; once all is done, `wall_time`."""
        if self.wait(0):  # type: ignore[attr-defined]
            return self.wall_time
        return time.time() - min(tasks.submitted for tasks, _, _ in self._parts)

    @property
    def serial_time(self) -> float:
        """Seconds that all tasks have run, in sum: what a single engine would have needed.

        Raises
        ------
        TimeoutError
            If some have not ended.
        """
        return sum(ended.duration for ended in self._ended())

    @property
    def wall_time(self) -> float:
        """Seconds from the submission until the last result came here.

        Raises
        ------
        TimeoutError
            If some have not.
        """
        times = [(ended.submitted, ended.received) for ended in self._ended()]
        return max(0.0, max(last for _, last in times) - min(first for first, _ in times)) if times else 0.0

    def timedelta(
        self,
        start: Union[datetime, Sequence[datetime]],
        end: Union[datetime, Sequence[datetime]],
        start_key: Callable[[Sequence[datetime]], datetime] = min,
        end_key: Callable[[Sequence[datetime]], datetime] = max,
    ) -> float:
        """Seconds between two times, such as ``result.submitted`` and ``result.completed``.

        Parameters
        ----------
        start, end : datetime or list of datetime
        start_key, end_key : callable
            Which of a list to take; default is the earliest `start` and the latest `end`.
        """
        first = start if isinstance(start, datetime) else start_key(start)
        last = end if isinstance(end, datetime) else end_key(end)
        return (last - first).total_seconds()

    def get_dict(self, timeout: Optional[float] = -1) -> Dict[Optional[int], Any]:
        """The results by the id of their engine.

        Raises
        ------
        TimeoutError
            If they are not there within `timeout` seconds.
        rpar.error.RemoteError
            As from `get`.
        ValueError
            If an engine has run more than one of the tasks.
        """
        self.get(timeout)  # type: ignore[attr-defined]
        engines = [ended.engine for ended in self._ended()]
        results: Dict[Optional[int], Any] = {}
        for engine, value in zip(engines, self._values()):  # type: ignore[attr-defined]
            if engine in results:
                count = engines.count(engine)
                raise ValueError("Cannot build dict, %d jobs ran on engine #%s" % (count, engine))
            results[engine] = value.error if isinstance(value, Failed) else value
        return results

    @property
    def result_dict(self) -> Dict[Optional[int], Any]:
        """`get_dict` as an attribute."""
        return self.get_dict()

    def wait_for_output(self, timeout: Optional[float] = -1) -> bool:
        """Waits until all that the tasks print is there; False if that takes over `timeout` seconds."""
        there: bool = self.wait(timeout)  # type: ignore[attr-defined]
        return there

    def stream_output(self) -> ContextManager[None]:
        """A context in which what the tasks print is shown as it comes; what they have printed before comes first.

        If all have ended when it is left, all that they have printed is shown before.
        """
        from .streaming import stream_output

        return stream_output(self)

    def display_outputs(self, groupby: str = "type", result_only: bool = False) -> None:
        """Shows what the tasks have printed and displayed; with engines' ids where there are several.

        Parameters
        ----------
        groupby : str
            ``type``: all of stdout, then all of stderr, then what was displayed. ``engine``: all of each engine. ``order``:
            as ``type``, but what was displayed comes by its order, from all engines.
        result_only : bool, default False
            Whether to show only what a cell's last line gave.

        Raises
        ------
        TimeoutError
            If some tasks have not ended.
        ValueError
            If `groupby` is none of these.
        """
        from .display import display_outputs

        if not self.wait(0):  # type: ignore[attr-defined]
            raise late()
        display_outputs(self, groupby, result_only)
