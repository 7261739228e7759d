"""The load-balanced view: each task goes to whichever engine is free."""

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Optional, Tuple, Union

from . import serialize
from .decorators import name_of
from .dependency import Dependencies, after_options, dependency, engines_to_follow, is_dependency
from .imap import Feed, LazyMap
from .lots import Calls, lots
from .reference import callable_of
from .view import View, _Result, check_map

if TYPE_CHECKING:
    from ._rpar import Function, Group, Options
    from .asyncresult import AsyncMapResult, AsyncResult
    from .client import Client


class LoadBalancedView(View):
    """Gives each task to whichever engine is free.

    Attributes
    ----------
    targets : int or list of int or None, default None
        The engines to choose from; None is all.
    labels : list of str, default []
        What an engine must have to be chosen.
    after : AsyncResult or str or list of those or Dependency, optional
        Results, or their message ids, that must have ended well before a task runs; a `Dependency` can say otherwise. A task
        for which that cannot come about any more fails with `rpar.error.ImpossibleDependency`.
    follow : AsyncResult or str or list of those or Dependency, optional
        Tasks are run on the engine where these ran, or on any of theirs where the `Dependency` says ``all=False``. To know
        that, their submission waits until those have ended.
    """

    _flags = {
        **View._flags,
        "targets": ("an engine's id, a list of them, or None", lambda value: value is None or _is_targets(value)),
        "labels": (
            "a list of strings",
            lambda value: isinstance(value, (list, tuple)) and all(isinstance(label, str) for label in value),
        ),
        "after": ("results, message ids or a Dependency", is_dependency),
        "follow": ("results, message ids or a Dependency", is_dependency),
    }

    def __init__(self, client: "Client", **flags: Any) -> None:
        self.targets: Union[int, List[int], None] = None
        self.labels: List[str] = []
        self.after: Dependencies = None
        self.follow: Dependencies = None
        super().__init__(client, **flags)

    def __repr__(self) -> str:
        return "<%s %s>" % (type(self).__name__, "of all engines" if self.targets is None else self.targets)

    def __len__(self) -> int:
        targets = self._target_list()
        return len(self.client) if targets is None else len(targets)

    def imap(
        self,
        f: Callable[..., Any],
        *sequences: Iterable[Any],
        ordered: bool = True,
        max_outstanding: Union[int, str] = "auto",
        chunksize: int = 1,
        return_exceptions: bool = False,
    ) -> LazyMap:
        """`map` over inputs that are taken as they are needed: they may be endless, or too much for memory.

        Parameters
        ----------
        f : callable
        *sequences : iterables
            As many as `f` takes arguments; they are iterated over in another thread, ahead of the results.
        ordered : bool, default True
            Whether results come in the order of the inputs, or of completion.
        max_outstanding : int or "auto"
            How many tasks may be submitted whose results were not asked for yet; 0 is no limit. The default grows with the
            rate at which tasks end, from two for each engine to 1024.
        chunksize : int, default 1
            How many items make one task.
        return_exceptions : bool, default False
            Whether exceptions stand among the results, in place of being raised.

        Returns
        -------
        LazyMap
            An iterator. What is outstanding is cancelled once it is closed, or nobody has it any more.
        """
        check_map(sequences, chunksize)
        if max_outstanding != "auto" and not (isinstance(max_outstanding, int) and max_outstanding >= 0):
            raise ValueError(
                "max_outstanding must be 'auto' or a whole number of at least 0, not %r" % (max_outstanding,)
            )
        feed = Feed(
            self,
            f,
            sequences,
            ordered=ordered,
            limit=None if isinstance(max_outstanding, str) else max_outstanding,
            chunksize=chunksize,
            return_exceptions=return_exceptions,
        )
        return LazyMap(feed)

    def _options(self, targets: Optional[List[int]] = None, **more: Any) -> "Options":
        """How tasks are run; waits for those that are to be followed."""
        targets = self._target_list() if targets is None else targets
        if self.follow is not None:
            there = engines_to_follow(self.client, dependency(self.follow))
            targets = there if targets is None else [engine for engine in there if engine in targets]
        if self.after is not None:
            more.update(after_options(self.client, dependency(self.after)))
        return super()._options(targets, labels=list(self.labels), **more)

    def _keep(self, result: _Result) -> _Result:
        if self.after is not None or self.follow is not None:
            result._wait_for(sorted(dependency(self.after)), sorted(dependency(self.follow)))
        return super()._keep(result)

    def _submit_map(
        self,
        f: Callable[..., Any],
        sequences: Tuple[Iterable[Any], ...],
        chunksize: Optional[int],
        ordered: bool,
        return_exceptions: bool,
    ) -> "AsyncMapResult":
        check_map(sequences, chunksize)
        session, chunksize = self.client._session, chunksize or 1
        body = serialize.function_bytes(serialize.CALL if chunksize == 1 else serialize.CHUNK, callable_of(f))
        calls = Calls(sequences, chunksize)
        group = self._submit(session.define(body), lots(calls))
        return self._map_result(group, name_of(f), (chunksize, calls.items), ordered, return_exceptions)

    def _submit_call(self, f: Callable[..., Any], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> "AsyncResult":
        session = self.client._session
        function = session.define(serialize.function_bytes(serialize.APPLY, callable_of(f)))
        group = self._submit(function, [[serialize.argument_bytes((args, kwargs))]])
        return self._result(group, name_of(f))

    def _submit_parts(
        self, function: "Function", items: int, chunksize: Optional[int], pack: Callable[[int], Iterable[bytes]]
    ) -> Tuple["Group", Optional[List[int]]]:
        count = -(-items // (chunksize or 1))
        return self._submit(function, ([argument] for argument in pack(count))), None

    def _submit(self, function: "Function", arguments: Iterable[List[bytes]]) -> "Group":
        """Submits lots of tasks; the group of them."""
        session = self.client._session
        group, options = session.group(), self._options()
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
