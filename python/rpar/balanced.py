"""The load-balanced view: each task goes to whichever engine is free."""

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Optional, Tuple, Union

from . import serialize
from .asyncresult import AsyncMapResult, AsyncResult
from .decorators import name_of
from .lots import Calls, lots
from .reference import callable_of
from .view import View, check_map

if TYPE_CHECKING:
    from ._rpar import Function, Group
    from .client import Client


class LoadBalancedView(View):
    """Gives each task to whichever engine is free.

    Attributes
    ----------
    targets : int or list of int or None, default None
        The engines to choose from; None is all.
    """

    _flags = {
        **View._flags,
        "targets": ("an engine's id, a list of them, or None", lambda value: value is None or _is_targets(value)),
    }

    def __init__(self, client: "Client", **flags: Any) -> None:
        self.targets: Union[int, List[int], None] = None
        super().__init__(client, **flags)

    def __repr__(self) -> str:
        return "<%s %s>" % (type(self).__name__, "of all engines" if self.targets is None else self.targets)

    def __len__(self) -> int:
        targets = self._target_list()
        return len(self.client) if targets is None else len(targets)

    def _submit_map(
        self,
        f: Callable[..., Any],
        sequences: Tuple[Iterable[Any], ...],
        chunksize: Optional[int],
        ordered: bool,
        return_exceptions: bool,
    ) -> AsyncMapResult:
        check_map(sequences, chunksize)
        session, chunksize = self.client._session, chunksize or 1
        body = serialize.function_bytes(serialize.CALL if chunksize == 1 else serialize.CHUNK, callable_of(f))
        calls = Calls(sequences, chunksize)
        group = self._submit(session.define(body), lots(calls))
        return self._keep(
            AsyncMapResult(
                self.client,
                group,
                name_of(f),
                chunks=(chunksize, calls.items),
                ordered=ordered,
                return_exceptions=return_exceptions,
            )
        )

    def _submit_call(self, f: Callable[..., Any], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> AsyncResult:
        session = self.client._session
        function = session.define(serialize.function_bytes(serialize.APPLY, callable_of(f)))
        group = self._submit(function, [[serialize.argument_bytes((args, kwargs))]])
        return self._keep(AsyncResult(self.client, group, name_of(f)))

    def _submit_parts(
        self, function: "Function", items: int, chunksize: Optional[int], pack: Callable[[int], Iterable[bytes]]
    ) -> Tuple["Group", Optional[List[int]]]:
        count = -(-items // (chunksize or 1))
        return self._submit(function, ([argument] for argument in pack(count))), None

    def _submit(self, function: "Function", arguments: Iterable[List[bytes]]) -> "Group":
        """Submits lots of tasks; the group of them."""
        session = self.client._session
        group, options = session.group(), self._options(self._target_list())
        try:
            for lot in arguments:
                session.submit(group, function, options, lot)
        except BaseException:
            # an argument that cannot be pickled, or Ctrl-C: nobody will ask for what was submitted so far
            session.cancel(group)
            raise
        return group

    def _target_list(self) -> Optional[List[int]]:
        return [self.targets] if isinstance(self.targets, int) else self.targets


def _is_targets(value: Any) -> bool:
    return isinstance(value, int) or all(isinstance(engine, int) for engine in value)
