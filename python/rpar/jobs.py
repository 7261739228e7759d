"""What a client knows of the tasks that it has submitted."""

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Union

from . import records
from .asyncresult import AsyncResult
from .metadata import glance

if TYPE_CHECKING:
    from . import _rpar
    from .history import History

#: A message id, a number in the client's history, a result, or a list of those.
Jobs = Union[str, int, AsyncResult, Sequence[Union[str, int, AsyncResult]]]


class Submitter:
    """The part of a client that tells of its tasks. What others have submitted is theirs: it is not seen here."""

    _session: "_rpar.Session"
    _history: "History"

    @property
    def history(self) -> List[str]:
        """Message ids of all tasks that this client has submitted, in that order."""
        return self._history.all_names()

    @property
    def outstanding(self) -> Set[str]:
        """Message ids of the tasks that have not ended."""
        return self._history.outstanding()

    @property
    def _session_id(self) -> str:
        return self._history.session_id

    def _number(self, count: int) -> int:
        return self._history.number(count)

    def wait(self, jobs: Optional[Jobs] = None, timeout: Optional[float] = -1) -> bool:
        """Waits until tasks have ended, all that were submitted unless `jobs` says which; tells whether they have.

        Parameters
        ----------
        jobs : str, int, AsyncResult, or a list of those, optional
            Message ids, numbers in `history`, results.
        timeout : float, optional
            Seconds to wait at most; None or a negative number is for ever.
        """
        import time

        end = None if timeout is None or timeout < 0 else time.monotonic() + timeout

        def left() -> Optional[float]:
            return None if end is None else max(0.0, end - time.monotonic())

        if jobs is None:
            return all(group.wait_all(left()) for group in self._history.unfinished.groups())
        return all(result.wait(left()) for result in self._results(jobs))

    def wait_interactive(
        self, jobs: Optional[Jobs] = None, interval: float = 0.1, timeout: Optional[float] = -1
    ) -> None:
        """Waits as `wait` does, and shows how far it is.

        Parameters
        ----------
        interval : float, default 0.1
            Seconds from one look to the next.
        """
        results = self._history.results() if jobs is None else self._results(jobs)
        if results:
            AsyncResult.join(*results).wait_interactive(interval=interval, timeout=timeout)

    def abort(self, jobs: Optional[Jobs] = None, targets: Any = None, block: Optional[bool] = None) -> None:
        """Cancels tasks, all that have not ended unless `jobs` says which. Those that run are interrupted, too.

        Each ends as `rpar.error.TaskAborted`, or as it would have, if that came first.

        Parameters
        ----------
        jobs : str, int, AsyncResult, or a list of those, optional
            Message ids, numbers in `history`, results.
        targets
            Taken for the sake of older programs: a task is cancelled wherever it is.
        block : bool, optional
            Whether to wait until they have ended.
        """
        if jobs is None:
            groups = self._history.unfinished.groups()
            for group in groups:
                self._session.cancel(group)
            for group in groups if block else ():
                group.wait_all(None)
            return
        results = self._results(jobs)
        for result in results:
            if not result.done():
                result.cancel()
        for result in results if block else ():
            result.wait()

    def get_result(
        self, indices_or_msg_ids: Optional[Jobs] = None, block: Optional[bool] = None, owner: bool = True
    ) -> AsyncResult:
        """A result that somebody in this program still has, by message ids or numbers in `history`; default is the last.

        Parameters
        ----------
        indices_or_msg_ids : str, int, AsyncResult, or a list of those, optional
        block : bool, optional
            Whether to wait until it is there.
        owner : bool
            Taken for the sake of older programs: a result is let go when nobody has it any more.

        Raises
        ------
        KeyError
            If no such task was submitted by this client, or nobody has its result any more.
        """
        chosen = -1 if indices_or_msg_ids is None else indices_or_msg_ids
        result = AsyncResult.join(*self._results(chosen))
        if block:
            result.wait()
        return result

    def resubmit(
        self, indices_or_msg_ids: Optional[Jobs] = None, metadata: Any = None, block: Optional[bool] = None
    ) -> AsyncResult:
        """Submits tasks that have ended once more, with the same function, arguments and flags.

        Parameters
        ----------
        indices_or_msg_ids : str, int, AsyncResult, or a list of those, optional
            Message ids, numbers in `history`, results; default is the last task.
        metadata
            Taken for the sake of older programs.
        block : bool, optional
            Whether to wait until they have ended.

        Returns
        -------
        AsyncResult
            Of the new tasks: they have message ids of their own.

        Raises
        ------
        ValueError
            If one has not ended; or if its arguments are not kept: those of more than 1,024 tasks, or of more than 1 MiB, are
            not.
        KeyError
            As `get_result`.
        """
        results = self._results(-1 if indices_or_msg_ids is None else indices_or_msg_ids)
        if not all(result.ready() for result in results):
            raise ValueError("a task that has not ended cannot be submitted again: abort it first")
        again = AsyncResult.join(*[self._resubmitted(result) for result in results])
        if block:
            again.wait()
        return again

    def _resubmitted(self, result: AsyncResult) -> AsyncResult:
        (tasks, start, stop), *_ = result._parts
        group = self._session.resubmit(tasks.group, range(start, stop))
        if group is None:
            raise ValueError("the arguments of %s are not kept: there are too many, map them again" % tasks.fname)
        return AsyncResult(self, group, tasks.fname, single=stop - start == 1)  # type: ignore[arg-type]

    def result_status(self, msg_ids: Jobs, status_only: bool = True) -> Dict[str, Any]:
        """Which tasks have ended.

        Returns
        -------
        dict
            ``pending`` and ``completed`` are lists of message ids; unless `status_only`, each completed one is a key, too, with
            its result, or the exception that it ended with.

        Raises
        ------
        KeyError
            As `get_result`.
        """
        status: Dict[str, Any] = {"pending": [], "completed": []}
        for result in self._results(msg_ids):
            for part in result.split():
                ready = part.ready()
                status["completed" if ready else "pending"] += part.msg_ids
                if ready and not status_only:
                    value = part.get(return_exceptions=True)
                    # a map's task is a result of one item, which is the list of what its calls gave
                    status[part.msg_ids[0]] = value[0] if part._wrap and isinstance(value, list) else value
        return status

    def hub_history(self) -> List[str]:
        """`history`, in the order of submission: each client has its own here."""
        return self.history

    def db_query(self, query: Mapping[str, Any], keys: Optional[List[str]] = None) -> List[Dict[str, Any]]:
        """What is known of the tasks whose results this program still has, of those that `query` means.

        Parameters
        ----------
        query : dict
            In the form of MongoDB's: ``{"engine_id": 3}``, ``{"completed": {"$gt": yesterday}}``. Keys are those of a result's
            ``metadata``.
        keys : list of str, optional
            Which of them to return, beside ``msg_id``.

        Raises
        ------
        ValueError
            If an operator is not known.
        """
        return records.select(self._records(), query, keys)

    def purge_results(self, jobs: Union[Jobs, str] = (), targets: Any = ()) -> None:
        """Lets go of results, with their metadata: those of `jobs`, or ``"all"``. They cannot be had any more.

        Raises
        ------
        RuntimeError
            If some of the tasks have not ended.
        KeyError
            As `get_result`.
        """
        self.purge_local_results(jobs, targets)

    def purge_local_results(self, jobs: Union[Jobs, str] = (), targets: Any = ()) -> None:
        """`purge_results`, under another name: all results are this program's."""
        everything = isinstance(jobs, str) and jobs == "all"
        engines = {targets} if isinstance(targets, int) else set(targets)
        results = self._history.results() if everything or engines else self._results(jobs)
        if engines:
            results = [result for result in results if engines & set(_engines(result))]
        if not all(result.ready() for result in results):
            raise RuntimeError("Can't purge outstanding tasks.")
        self._history.purge(results)

    def purge_hub_results(self, jobs: Union[Jobs, str] = (), targets: Any = ()) -> None:
        """Does nothing: the controller keeps no result once the client has it."""

    def purge_everything(self) -> None:
        """`purge_results` of all, and the history.

        Raises
        ------
        RuntimeError
            If some of the tasks have not ended.
        """
        self.purge_local_results("all")

    def _records(self) -> Iterator[Dict[str, Any]]:
        for result in self._history.results():
            for tasks, index in result._indexes():
                yield dict(glance(tasks, index))

    def _results(self, jobs: Jobs) -> List[AsyncResult]:
        """A result for each job; of one task where it is named by itself."""
        if isinstance(jobs, (str, int, AsyncResult)):
            jobs = [jobs]
        return [job if isinstance(job, AsyncResult) else self._result(job) for job in jobs]

    def _result(self, job: Union[str, int]) -> AsyncResult:
        name = job if isinstance(job, str) else self._history.at(job)
        found = self._history.find(name)
        if found is None:
            raise KeyError("no result for %r: this client has not submitted it, or nobody has the result any more" % name)
        result, index = found
        return result.split()[index]


def _engines(result: AsyncResult) -> List[Optional[int]]:
    return [glance(tasks, index)["engine_id"] for tasks, index in result._indexes()]
