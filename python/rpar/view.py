"""Views: how tasks are given to engines."""

import contextlib
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, TypeVar

from . import decorators, on_engine, serialize
from ._rpar import Options
from .submitted import Submitted

if TYPE_CHECKING:
    from ._rpar import Function, Group
    from .asyncresult import AsyncMapResult, AsyncResult
    from .client import Client
    from .executor import Executor
    from .joined import AsyncJoinedResult

_Result = TypeVar("_Result", bound="AsyncResult")

#: The flags of a view, and whether a value is one of them; what they mean stands in the class.
_FLAGS: Dict[str, Tuple[str, Callable[[Any], bool]]] = {
    "block": ("true or false", lambda value: isinstance(value, (bool, int))),
    "track": ("true or false", lambda value: isinstance(value, (bool, int))),
    "retries": ("a whole number from 0 to 65535", lambda value: isinstance(value, int) and 0 <= value < 1 << 16),
    "timeout": ("a positive number of seconds or None", lambda value: value is None or value > 0),
    "time": ("a positive number of seconds or None", lambda value: value is None or value > 0),
    "priority": ("a whole number", lambda value: isinstance(value, int)),
    "rerun": ("true or false", lambda value: isinstance(value, (bool, int))),
    "cpus": ("a whole number of at least 0", lambda value: _is_count(value)),
    "gpus": ("a whole number of at least 0", lambda value: _is_count(value)),
    "memory_bytes": ("a whole number of bytes of at least 0", lambda value: _is_count(value)),
    "resources": (
        "a dict of names and whole numbers",
        lambda value: isinstance(value, dict) and all(_is_count(count) for count in value.values()),
    ),
}


class View(Submitted):
    """Engines of a client's cluster, and how tasks are run on them.

    Attributes
    ----------
    client : Client
    block : bool, default False
        Whether `apply` and `map` wait and return results, in place of an `AsyncResult`.
    track : bool, default False
        Without effect: arguments are copied before `apply` and `map` return, so that nothing need be tracked.
    retries : int, default 0
        How often a task runs again whose function raised an exception, that timed out, or whose interpreter crashed.
    timeout : float or None, default None
        Seconds of running after which a task is ended.
    time : float or None, default None
        Seconds that a task takes at most: it is not started where a walltime ends sooner. Nothing ends it.
    priority : int, default 0
        Tasks of a higher one go first.
    rerun : bool, default True
        Whether a task runs again whose engine was lost, in the midst of it.
    cpus, gpus : int, default 0
        How many cores and GPUs of its node a task takes; 0 is its engine's share of the cores, and no GPU.
    memory_bytes : int, default 0
        How much memory of its node a task takes, in bytes; 0 is what it likes.
    resources : dict of str to int, default {}
        What a task takes of the site's own counts.
    """

    #: What `set_flags` may set, with a check and what it wants.
    _flags = _FLAGS

    def __init__(self, client: "Client", **flags: Any) -> None:
        super().__init__()
        self.client = client
        self.block: bool = False
        self.track: bool = False
        self.retries = 0
        self.timeout: Optional[float] = None
        self.time: Optional[float] = None
        self.priority = 0
        self.rerun: bool = True
        self.cpus = self.gpus = self.memory_bytes = 0
        self.resources: Dict[str, int] = {}
        self.set_flags(**flags)

    def set_flags(self, **flags: Any) -> "View":
        """Sets attributes of the view, and returns it.

        Raises
        ------
        KeyError
            If the view has no such flag.
        ValueError
            If a flag cannot have such a value.
        """
        for name, value in flags.items():
            if name not in self._flags:
                known = ", ".join(self._flags)
                raise KeyError("a %s has no flag %r; it has %s" % (type(self).__name__, name, known))
            wanted, fits = self._flags[name]
            if not fits(value):
                raise ValueError("%s must be %s, not %r" % (name, wanted, value))
            setattr(self, name, value)
        return self

    @contextlib.contextmanager
    def temp_flags(self, **flags: Any) -> Iterator[None]:
        """Sets attributes of the view for a ``with`` block."""
        before = {name: getattr(self, name) for name in self._flags}
        try:
            self.set_flags(**flags)
            yield
        finally:
            self.set_flags(**before)

    @property
    def executor(self) -> "Executor":
        """This view as `concurrent.futures` has executors."""
        from .executor import Executor

        return Executor(self)

    def apply(self, f: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Calls ``f(*args, **kwargs)``; returns an `AsyncResult`, or the result if `block` is set."""
        result = self._submit_call(f, args, kwargs)
        return result.get() if self.block else result

    def apply_async(self, f: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "AsyncResult":
        """Calls ``f(*args, **kwargs)`` and returns an `AsyncResult`."""
        return self._submit_call(f, args, kwargs)

    def apply_sync(self, f: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Calls ``f(*args, **kwargs)`` and returns the result.

        Raises
        ------
        rpar.error.RemoteError
            If the function does, or its interpreter dies.
        """
        return self._submit_call(f, args, kwargs).get()

    def map(
        self,
        f: Callable[..., Any],
        *sequences: Iterable[Any],
        block: Optional[bool] = None,
        chunksize: Optional[int] = None,
        ordered: bool = True,
        return_exceptions: bool = False,
        progress: bool = False,
    ) -> Any:
        """Calls `f` with the items of the sequences, as the built-in ``map`` does, spread over the engines.

        Parameters
        ----------
        f : callable
        *sequences : iterables
            As many as `f` takes arguments; the shortest decides how many calls there are.
        block : bool, optional
            Whether to wait and return the list of results; default is the view's.
        chunksize : int, optional
            How many items make one task; default is 1 for a load-balanced view, and an equal part for each engine of
            a direct one.
        ordered : bool, default True
            Whether iteration over the `AsyncMapResult` is in the order of the sequences, or of completion.
        return_exceptions : bool, default False
            Whether exceptions stand among the results, in place of being raised.
        progress : bool, default False
            Whether to show how far it is while it is waited for: a bar on a terminal or in a notebook, else lines of text.

        Returns
        -------
        AsyncMapResult, or the list of results if it blocks.
        """
        result = self.map_async(
            f, *sequences, chunksize=chunksize, ordered=ordered, return_exceptions=return_exceptions, progress=progress
        )
        return result.get() if (self.block if block is None else block) else result

    def map_async(
        self,
        f: Callable[..., Any],
        *sequences: Iterable[Any],
        chunksize: Optional[int] = None,
        ordered: bool = True,
        return_exceptions: bool = False,
        progress: bool = False,
    ) -> "AsyncMapResult":
        """`map` that does not block."""
        result = self._submit_map(f, sequences, chunksize, ordered, return_exceptions)
        result._shown = progress
        return result

    def map_sync(
        self,
        f: Callable[..., Any],
        *sequences: Iterable[Any],
        chunksize: Optional[int] = None,
        ordered: bool = True,
        return_exceptions: bool = False,
        progress: bool = False,
    ) -> List[Any]:
        """`map` that blocks; results are in the order of the sequences, whatever `ordered` says.

        Raises
        ------
        rpar.error.CompositeError
            If any call has failed.
        """
        result = self.map_async(
            f, *sequences, chunksize=chunksize, ordered=ordered, return_exceptions=return_exceptions, progress=progress
        )
        values: List[Any] = result.get()
        return values

    def remote(
        self, block: Optional[bool] = None, **flags: Any
    ) -> Callable[[Callable[..., Any]], decorators.RemoteFunction]:
        """Decorator: to call the function is to apply it.

        Parameters
        ----------
        block : bool, optional
            Whether calls wait and return results; default is the view's.
        **flags
            Flags of the view for these calls.
        """
        return decorators.remote(self, block, **flags)

    def parallel(
        self, dist: str = "b", block: Optional[bool] = None, ordered: bool = True, **flags: Any
    ) -> Callable[[Callable[..., Any]], decorators.ParallelFunction]:
        """Decorator: to call the function is to call it on engines with parts of sequences; see `ParallelFunction`, which
        takes the same arguments."""
        return decorators.parallel(self, dist, block, ordered, **flags)

    def use_dill(self) -> "AsyncResult":
        """Has dill pickle what cloudpickle cannot, in this process and on the engines; see `rpar.serialize.use_dill`.

        Returns
        -------
        AsyncResult
            Raises if an engine has no dill.

        Raises
        ------
        ImportError
            If this process has none.
        """
        serialize.use_dill()
        return self.client[:]._task(on_engine.has, ("dill",), "use_dill", None)

    def use_cloudpickle(self) -> "AsyncResult":
        """Ends what `use_dill` has begun; see `rpar.serialize.use_cloudpickle`."""
        serialize.use_cloudpickle()
        return self.client[:]._task(on_engine.has, ("cloudpickle",), "use_cloudpickle", None)

    def use_pickle(self) -> "AsyncResult":
        """`use_cloudpickle`, under another name."""
        return self.use_cloudpickle()

    def _options(self, targets: Optional[List[int]] = None, **more: Any) -> Options:
        """How tasks are run, by the view's attributes and what is given beside them."""
        return Options(
            retries=self.retries,
            timeout=self.timeout,
            time=self.time,
            targets=targets,
            priority=self.priority,
            rerun=bool(self.rerun),
            cpus=self.cpus,
            gpus=self.gpus,
            memory_bytes=self.memory_bytes,
            resources=self.resources,
            **more,
        )

    def _submit_call(self, f: Callable[..., Any], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> "AsyncResult":
        raise NotImplementedError

    def _submit_map(
        self,
        f: Callable[..., Any],
        sequences: Tuple[Iterable[Any], ...],
        chunksize: Optional[int],
        ordered: bool,
        return_exceptions: bool,
    ) -> "AsyncMapResult":
        raise NotImplementedError

    def _submit_parts(
        self, function: "Function", items: int, chunksize: Optional[int], pack: Callable[[int], Iterable[bytes]]
    ) -> Tuple["Group", Optional[List[int]]]:
        """Submits a parallel function's tasks: `pack` makes so many arguments of sequences of so many items. Their group,
        and the engine of each if those are told."""
        raise NotImplementedError

    def _result(
        self,
        group: "Group",
        fname: str,
        targets: Optional[List[int]] = None,
        single: bool = True,
        return_exceptions: bool = False,
    ) -> "AsyncResult":
        """The result of what was submitted."""
        from .asyncresult import AsyncResult

        result = AsyncResult(
            self.client, group, fname, targets=targets, single=single, return_exceptions=return_exceptions
        )
        return self._keep(result)

    def _map_result(
        self, group: "Group", fname: str, chunks: Tuple[Any, int], ordered: bool, return_exceptions: bool, **how: Any
    ) -> "AsyncMapResult":
        """The result of a map that was submitted."""
        from .asyncresult import AsyncMapResult

        result = AsyncMapResult(
            self.client, group, fname, chunks=chunks, ordered=ordered, return_exceptions=return_exceptions, **how
        )
        return self._keep(result)

    def _joined_result(
        self,
        group: "Group",
        fname: str,
        dist: str,
        targets: Optional[List[int]],
        return_exceptions: bool = False,
    ) -> "AsyncJoinedResult":
        """The result of tasks whose results are parts of one sequence."""
        from .joined import AsyncJoinedResult

        result = AsyncJoinedResult(
            self.client, group, fname, dist=dist, targets=targets, return_exceptions=return_exceptions
        )
        return self._keep(result)

    def _keep(self, result: _Result) -> _Result:
        """Takes note of what was submitted."""
        self._runs.add(result._parts[0][0].first, result._parts[0][0].count)
        return result


def check_map(sequences: Tuple[Iterable[Any], ...], chunksize: Optional[int]) -> None:
    """Checks what a map is given.

    Raises
    ------
    TypeError
        If there is no sequence.
    ValueError
        If `chunksize` is no whole number of at least 1.
    """
    if not sequences:
        raise TypeError("map needs at least one sequence")
    if chunksize is not None and (not isinstance(chunksize, int) or chunksize < 1):
        raise ValueError("chunksize must be a whole number of at least 1, not %r" % (chunksize,))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 0
