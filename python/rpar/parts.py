"""Results that are parts of others, or others together."""

from typing import TYPE_CHECKING, Any, Iterable, Optional, Tuple

if TYPE_CHECKING:
    from .asyncresult import AsyncResult
    from .tasks import Tasks


class Parts:
    """The part of a result that joins and splits it."""

    #: the tasks, as (group's, start, stop)
    _parts: Tuple[Tuple["Tasks", int, int], ...]
    _return_exceptions: bool
    _split: Optional[Tuple["AsyncResult", ...]]

    @classmethod
    def join(cls, *async_results: "AsyncResult") -> "AsyncResult":
        """One result of the tasks of several; `split` is its inverse.

        Raises
        ------
        ValueError
            If there is none to join.
        """
        if not async_results:
            raise ValueError("Must specify at least one AsyncResult to join")
        first = async_results[0]
        if len(async_results) == 1:
            return first
        parts = tuple(part for result in async_results for part in result._parts)
        joined = _bare_result()
        joined._begin(parts, False, first._return_exceptions)
        return joined

    def split(self) -> Tuple["AsyncResult", ...]:
        """A result for each task, such as `concurrent.futures.wait` and `as_completed` take. The same ones each time.

        Those of a map are lists of one list: the items of the task.
        """
        if sum(stop - start for _, start, stop in self._parts) == 1:
            return (self,)  # type: ignore[return-value]
        if self._split is None:
            self._split = tuple(self._child(*each) for each in self._indexes())
        return self._split

    def _child(self, tasks: "Tasks", index: int) -> "AsyncResult":
        child = _bare_result()
        child._begin(((tasks, index, index + 1),), True, self._return_exceptions)
        return child

    def _indexes(self) -> Iterable[Tuple["Tasks", int]]:
        for tasks, start, stop in self._parts:
            for index in range(start, stop):
                yield tasks, index


def _bare_result() -> Any:
    from .asyncresult import AsyncResult

    return AsyncResult.__new__(AsyncResult)
