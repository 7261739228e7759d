"""Results of several engines that are parts of one sequence."""

from typing import TYPE_CHECKING, Any, Iterator, List, Optional, Sequence

from . import partition
from .asyncresult import AsyncResult

if TYPE_CHECKING:
    from ._rpar import Group
    from .client import Client


class AsyncJoinedResult(AsyncResult):
    """The results of ``gather``, or of a parallel function: put together to one sequence, array or list."""

    def __init__(
        self,
        client: "Client",
        group: "Group",
        fname: str,
        *,
        dist: str,
        targets: Optional[List[int]] = None,
        return_exceptions: bool = False,
    ) -> None:
        super().__init__(client, group, fname, targets=targets, single=False, return_exceptions=return_exceptions)
        self._dist = dist

    def _gather(self, values: Sequence[Any], return_exceptions: bool) -> Any:
        parts = super()._gather(values, return_exceptions)
        failed = any(isinstance(part, Exception) for part in parts) if return_exceptions else False
        return parts if failed else partition.join(parts, self._dist)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.get())
