"""The load-balanced view: each task goes to whichever engine is free."""

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Optional, Tuple, Union

from . import serialize
from .asyncresult import AsyncMapResult, AsyncResult
from .lots import Calls, lots
from .view import View, check_map, name_of

if TYPE_CHECKING:
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
        body = serialize.function_bytes(serialize.CALL if chunksize == 1 else serialize.CHUNK, f)
        function, options, group = session.define(body), self._options(self._target_list()), session.group()
        calls = Calls(sequences, chunksize)
        try:
            for lot in lots(calls):
                session.submit(group, function, options, lot)
        except BaseException:
            # an argument that cannot be pickled, or Ctrl-C: nobody will ask for what was submitted so far
            session.cancel(group)
            raise
        chunks = (chunksize, calls.items)
        return AsyncMapResult(
            self.client, group, name_of(f), chunks=chunks, ordered=ordered, return_exceptions=return_exceptions
        )

    def _submit_call(self, f: Callable[..., Any], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> AsyncResult:
        session = self.client._session
        function = session.define(serialize.function_bytes(serialize.APPLY, f))
        group = session.group()
        options = self._options(self._target_list())
        session.submit(group, function, options, [serialize.argument_bytes((args, kwargs))])
        return AsyncResult(self.client, group, name_of(f))

    def _target_list(self) -> Optional[List[int]]:
        return [self.targets] if isinstance(self.targets, int) else self.targets


def _is_targets(value: Any) -> bool:
    return isinstance(value, int) or all(isinstance(engine, int) for engine in value)
