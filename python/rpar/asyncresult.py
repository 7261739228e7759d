"""Results that may not be there yet."""

import time
from typing import TYPE_CHECKING, Any, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from . import error
from .futures import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, LazyFuture, late, make_future
from .known import Known
from .tasks import MISSING, SHARE, Failed, Tasks

if TYPE_CHECKING:
    from ._rpar import Group
    from .client import Client

__all__ = ["AsyncMapResult", "AsyncResult"]


class AsyncResult(Known, LazyFuture):
    """The result of a call, on one engine or on several, which may not be there yet. It is a future.

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

    #: whether there is a result already, and `concurrent.futures`
    _is_future = False
    #: whether a task's result is one value, and not a list of several
    _flat = True
    #: whether it is given as a list of that one
    _wrap = False
    #: whether `get` shows how far the tasks are
    _shown = False

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
        if not self._is_future:
            make_future(AsyncResult)
            AsyncResult._is_future = True
        tasks = Tasks(client, group, fname, targets)
        self._begin(((tasks, 0, tasks.count),), single, return_exceptions)
        client._history.add(tasks, self)

    def _begin(self, parts: Tuple[Tuple[Tasks, int, int], ...], single: bool, return_exceptions: bool) -> None:
        self._parts = parts
        self._client = parts[0][0].client
        self._fname = parts[0][0].fname
        self._single = single
        self._return_exceptions = return_exceptions
        self._split: Optional[Tuple["AsyncResult", ...]] = None

    def __repr__(self) -> str:
        state = ("finished" if self.successful() else "failed") if self.ready() else "pending"
        return "<%s(%s): %s>" % (type(self).__name__, self._fname, state)

    def __len__(self) -> int:
        return sum(stop - start for _, start, stop in self._parts)

    def __bool__(self) -> bool:
        return True

    def get(
        self,
        timeout: Optional[float] = None,
        return_exceptions: Optional[bool] = None,
        return_when: Optional[str] = None,
    ) -> Any:
        """Waits for the result and returns it.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; None or a negative number is for ever.
        return_exceptions : bool, optional
            Whether an exception is returned in place of being raised.
        return_when : str, optional
            ``concurrent.futures.FIRST_EXCEPTION`` raises as soon as a task has failed, whatever the others do.

        Raises
        ------
        TimeoutError
            If it is not there in time.
        rpar.error.RemoteError
            If the function has raised an exception, or its interpreter has died. Of several tasks it is a
            `CompositeError` with all of them.
        """
        if self._shown and not self.ready():
            first = FIRST_EXCEPTION if return_when == FIRST_EXCEPTION else ALL_COMPLETED
            self.wait_interactive(timeout=timeout, return_when=first)
            timeout = 0
        if return_when == FIRST_EXCEPTION:
            done, pending = self.wait(timeout, return_when)
            for part in done if pending else ():
                if not part.successful():
                    return part.get(return_exceptions=return_exceptions)
            timeout = 0
        elif return_when == FIRST_COMPLETED:
            import warnings

            warnings.warn("get cannot return what is completed first: it waits for all", UserWarning, stacklevel=2)
        if not self.wait(timeout):
            raise late()
        keep = self._return_exceptions if return_exceptions is None else return_exceptions
        return self._gather(self._values(), keep)

    def _values(self) -> Sequence[Any]:
        """All values; they are there."""
        if len(self._parts) == 1:
            tasks, start, stop = self._parts[0]
            return tasks.fetch_all(start, stop)
        return [value for tasks, start, stop in self._parts for value in tasks.fetch_all(start, stop)]

    def _gather(self, values: Sequence[Any], keep: bool) -> Any:
        failed = [value for value in values if isinstance(value, Failed)]
        if failed and not keep:
            raise failed[0].error if self._single else self._composite(failed)
        plain = [v.error if isinstance(v, Failed) else v for v in values] if failed else list(values)
        if self._wrap and not failed:
            return [plain]
        return plain[0] if self._single else plain

    def _composite(self, failed: Sequence[Failed]) -> error.CompositeError:
        return error.CompositeError("one or more exceptions raised in: %s" % self._fname, [f.error for f in failed])

    def _problem(self) -> Optional[error.RemoteError]:
        if self._return_exceptions and not self._single:
            return None
        failed = [value for value in self._values() if isinstance(value, Failed)]
        if not failed:
            return None
        return failed[0].error if self._single else self._composite(failed)

    def _value(self) -> Any:
        return self._gather(self._values(), True)

    def wait(self, timeout: Optional[float] = -1, return_when: Optional[str] = None) -> Any:
        """Waits until the result is there, at most `timeout` seconds (None or a negative number is for ever).

        Parameters
        ----------
        return_when : str, optional
            One of the constants that `concurrent.futures.wait` takes: when to return.

        Returns
        -------
        bool
            Whether it is there, unless `return_when` is given.
        (set of AsyncResult, set of AsyncResult)
            With `return_when`: those of ``split()`` that are done, and the others.
        """
        if timeout is not None and timeout < 0:
            timeout = None
        if return_when is not None:
            from concurrent.futures import wait

            done, pending = wait(self.split(), timeout, return_when)
            # some may be there whose end has not been told yet
            late_news = {part for part in pending if part.ready()}
            return done | late_news, pending - late_news
        if len(self._parts) == 1:
            tasks, start, stop = self._parts[0]
            return tasks.wait(start, stop, timeout)
        end = None if timeout is None else time.monotonic() + timeout
        for tasks, start, stop in self._parts:
            if not tasks.wait(start, stop, None if end is None else max(0.0, end - time.monotonic())):
                return False
        return True

    def ready(self) -> bool:
        """Whether all tasks have ended."""
        ready: bool = self.wait(0)
        return ready

    def successful(self) -> bool:
        """Whether all tasks have ended without an exception; one that is returned as a result is none.

        Raises
        ------
        RuntimeError
            If some have not ended.
        """
        if not self.ready():
            raise RuntimeError("Cannot check successful() if not done.")
        return self._problem() is None

    @property
    def r(self) -> Any:
        """`get` as an attribute."""
        return self.get()

    @property
    def sent(self) -> bool:
        """Whether the arguments may be changed again: always, for they were pickled when the tasks were submitted."""
        return True

    def wait_for_send(self, timeout: Optional[float] = -1) -> None:
        """Waits until `sent`, which is at once."""

    def wait_interactive(
        self,
        interval: float = 0.1,
        timeout: Optional[float] = -1,
        widget: Optional[bool] = None,
        return_when: str = ALL_COMPLETED,
    ) -> None:
        """Waits until the result is there, and shows how far it is.

        Parameters
        ----------
        interval : float, default 0.1
            Seconds from one look to the next.
        timeout : float, optional
            Seconds to wait at most; None or a negative number is for ever.
        widget : bool, optional
            Whether to show a widget of a notebook; by default, in a notebook.
        return_when : str
            One of the constants that `concurrent.futures.wait` takes: when to return.
        """
        from .progress import watch

        watch(self, interval, timeout, widget, return_when)

    def abort(self) -> None:
        """Cancels what has not ended. Tasks that run are interrupted; each ends as `rpar.error.TaskAborted`.

        Raises
        ------
        RuntimeError
            If all have ended.
        """
        if not self.cancel():
            raise RuntimeError("Can't abort, I am already done!")

    def cancel(self) -> bool:
        """`abort` as futures have it: tells whether there was anything to cancel."""
        if self.ready():
            return False
        for tasks, start, stop in self._parts:
            self._client._session.cancel_some(tasks.group, start, stop - start)
        return True

    def running(self) -> bool:
        return 0 < sum(tasks.ended(start, stop) for tasks, start, stop in self._parts) and not self.ready()

    @property
    def progress(self) -> int:
        """How many items are done; ``len`` tells how many there are."""
        return sum(tasks.ended(start, stop) for tasks, start, stop in self._parts)

    def __iter__(self) -> Iterator[Any]:
        """Yields the results in order, each as soon as it is there; raises at the first that has failed."""
        if self._single:
            raise TypeError("AsyncResults with a single result are not iterable.")
        return self._each()

    def _each(self) -> Iterator[Any]:
        for tasks, start, stop in self._parts:
            yield from self._iterate(tasks, range(start, stop))

    def _iterate(self, tasks: Tasks, indexes: Iterable[int]) -> Iterator[Any]:
        values, flat = tasks.values, self._flat
        for index in indexes:
            value = values[index]
            if value is MISSING:
                value = tasks.fetch(index)
            if isinstance(value, Failed):
                if not self._return_exceptions:
                    raise self._composite([value])
                yield value.error
            elif flat:
                yield value
            else:
                yield from value

    def __getitem__(self, key: Union[int, slice, str]) -> Any:
        """By number or slice the results, which have to be there; by name what `metadata` has of each task."""
        if isinstance(key, str):
            return self._named(key)
        if not isinstance(key, (int, slice)):
            raise TypeError("Invalid key type %r, must be 'int','slice', or 'str'" % type(key))
        self._check_ready()
        return self.get()[key]

    def _check_ready(self) -> None:
        if not self.ready():
            raise late()


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

    def __len__(self) -> int:
        return self._items

    @property
    def _tasks(self) -> Tasks:
        return self._parts[0][0]

    @property
    def progress(self) -> int:
        """How many items are done; ``len`` tells how many there are."""
        group = self._tasks.group
        if isinstance(self._chunk, int):
            return min(group.finished() * self._chunk, self._items)
        return sum(size for index, size in enumerate(self._chunk) if group.has_ended(index))

    def _each(self) -> Iterator[Any]:
        tasks = self._tasks
        return self._iterate(tasks, range(tasks.count) if self.ordered else self._completion())

    def _completion(self) -> Iterator[int]:
        tasks, place = self._tasks, 0
        while place < tasks.count:
            if place < len(tasks.arrived):
                yield tasks.arrived[place]
                place += 1
            else:
                tasks.arrive(SHARE)

    def _child(self, tasks: Tasks, index: int) -> "AsyncResult":
        # the items of a task are a list, also if it has but one
        child = super()._child(tasks, index)
        child._single, child._wrap = False, self._flat
        return child

    def _gather(self, values: Sequence[Any], keep: bool) -> List[Any]:
        plain: List[Any] = super()._gather(values, keep)
        if self._flat:
            return plain
        flat: List[Any] = []
        for before, value in zip(values, plain):
            if isinstance(before, Failed):
                flat.append(value)
            else:
                flat += value
        return flat
