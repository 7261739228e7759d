"""Views: how tasks are given to engines."""

import contextlib
import pickle
from itertools import islice
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from . import serialize
from .asyncresult import AsyncMapResult, AsyncResult

if TYPE_CHECKING:
    from ._rpar import Options
    from .client import Client

#: Arguments are handed over in lots: so many tasks, or so many bytes.
LOT_TASKS = 1024
LOT_BYTES = 1 << 20


class LoadBalancedView:
    """Gives each task to whichever engine is free.

    Attributes
    ----------
    block : bool, default False
        Whether `apply` and `map` wait and return results, in place of an `AsyncResult`.
    retries : int, default 0
        How often a task runs again whose function raised an exception, that timed out, or whose interpreter crashed.
    timeout : float or None, default None
        Seconds of running after which a task is ended.
    time : float or None, default None
        Seconds that a task takes at most: it is not started where a walltime ends sooner. Nothing ends it.
    targets : list of int or None, default None
        The engines to choose from; None is all.
    """

    _flag_names = ("block", "retries", "timeout", "time", "targets")

    def __init__(self, client: "Client", **flags: Any) -> None:
        self.client = client
        self.block = False
        self.retries = 0
        self.timeout: Optional[float] = None
        self.time: Optional[float] = None
        self.targets: Union[int, List[int], None] = None
        self.set_flags(**flags)

    def __repr__(self) -> str:
        return "<%s %s>" % (type(self).__name__, "of all engines" if self.targets is None else self.targets)

    def __len__(self) -> int:
        targets = self._target_list()
        return len(self.client) if targets is None else len(targets)

    def set_flags(self, **flags: Any) -> "LoadBalancedView":
        """Sets attributes of the view, and returns it."""
        for name, value in flags.items():
            if name not in self._flag_names:
                known = ", ".join(self._flag_names)
                raise KeyError("a %s has no flag %r; it has %s" % (type(self).__name__, name, known))
            if name == "retries" and (not isinstance(value, int) or not 0 <= value < 1 << 16):
                raise ValueError("retries must be a whole number from 0 to 65535, not %r" % (value,))
            if name in ("timeout", "time") and value is not None and not value > 0:
                raise ValueError("%s must be a positive number of seconds or None, not %r" % (name, value))
            setattr(self, name, value)
        return self

    @contextlib.contextmanager
    def temp_flags(self, **flags: Any) -> Iterator[None]:
        """Sets attributes of the view for a ``with`` block."""
        before = {name: getattr(self, name) for name in self._flag_names}
        try:
            self.set_flags(**flags)
            yield
        finally:
            self.set_flags(**before)

    def apply(self, f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls ``f(*args, **kwargs)`` on an engine; returns an `AsyncResult`, or the result if `block` is set."""
        result = self._submit_call(f, args, kwargs)
        return result.get() if self.block else result

    def apply_async(self, f: Callable[..., Any], *args: Any, **kwargs: Any) -> AsyncResult:
        """Calls ``f(*args, **kwargs)`` on an engine and returns an `AsyncResult`."""
        return self._submit_call(f, args, kwargs)

    def apply_sync(self, f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls ``f(*args, **kwargs)`` on an engine and returns the result.

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
        chunksize: int = 1,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> Any:
        """Calls `f` with the items of the sequences, as the built-in ``map`` does, spread over the engines.

        Parameters
        ----------
        f : callable
        *sequences : iterables
            As many as `f` takes arguments; the shortest decides how many calls there are.
        block : bool, optional
            Whether to wait and return the list of results; default is the view's.
        chunksize : int, default 1
            How many items make one task.
        ordered : bool, default True
            Whether iteration over the `AsyncMapResult` is in the order of the sequences, or of completion.
        return_exceptions : bool, default False
            Whether exceptions stand among the results, in place of being raised.

        Returns
        -------
        AsyncMapResult, or the list of results if it blocks.
        """
        result = self._submit_map(f, sequences, chunksize, ordered, return_exceptions)
        return result.get() if (self.block if block is None else block) else result

    def map_async(
        self,
        f: Callable[..., Any],
        *sequences: Iterable[Any],
        chunksize: int = 1,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> AsyncMapResult:
        """`map` that does not block."""
        return self._submit_map(f, sequences, chunksize, ordered, return_exceptions)

    def map_sync(
        self,
        f: Callable[..., Any],
        *sequences: Iterable[Any],
        chunksize: int = 1,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> List[Any]:
        """`map` that blocks; results are in the order of the sequences, whatever `ordered` says.

        Raises
        ------
        rpar.error.CompositeError
            If any call has failed.
        """
        result = self._submit_map(f, sequences, chunksize, ordered, return_exceptions)
        values: List[Any] = result.get()
        return values

    def _submit_map(
        self,
        f: Callable[..., Any],
        sequences: Tuple[Iterable[Any], ...],
        chunksize: int,
        ordered: bool,
        return_exceptions: bool,
    ) -> AsyncMapResult:
        if not sequences:
            raise TypeError("map needs at least one sequence")
        if not isinstance(chunksize, int) or chunksize < 1:
            raise ValueError("chunksize must be a whole number of at least 1, not %r" % (chunksize,))
        session = self.client._session
        body = serialize.function_bytes(serialize.CALL if chunksize == 1 else serialize.CHUNK, f)
        function, options, group = session.define(body), self._options(), session.group()
        items = zip(*sequences)
        tasks: Iterable[Any] = items if chunksize == 1 else iter(lambda: list(islice(items, chunksize)), [])
        length = _Length(tasks, chunksize)
        try:
            for lot in _lots(length):
                session.submit(group, function, options, lot)
        except BaseException:
            # an argument that cannot be pickled, or Ctrl-C: nobody will ask for what was submitted so far
            session.cancel(group)
            raise
        return AsyncMapResult(session, group, _name(f), chunksize, length.items, ordered, return_exceptions)

    def _submit_call(self, f: Callable[..., Any], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> AsyncResult:
        session = self.client._session
        function = session.define(serialize.function_bytes(serialize.APPLY, f))
        group = session.group()
        session.submit(group, function, self._options(), [serialize.argument_bytes((args, kwargs))])
        return AsyncResult(session, group, _name(f))

    def _options(self) -> "Options":
        from ._rpar import Options

        return Options(self.retries, self.timeout, self._target_list(), self.time)

    def _target_list(self) -> Optional[List[int]]:
        return [self.targets] if isinstance(self.targets, int) else self.targets


class _Length:
    """Passes tasks on, and knows afterwards how many items there were."""

    def __init__(self, tasks: Iterable[Any], chunksize: int) -> None:
        self.tasks = tasks
        self.chunksize = chunksize
        self.items = 0

    def __iter__(self) -> Iterator[Any]:
        for task in self.tasks:
            self.items += 1 if self.chunksize == 1 else len(task)
            yield task


def _lots(tasks: Iterable[Any]) -> Iterator[List[bytes]]:
    """Pickles arguments, in lots of a bounded size."""
    dumps, protocol, main = pickle.dumps, serialize.PROTOCOL, serialize.MAIN
    lot: List[bytes] = []
    size = 0
    for task in tasks:
        try:
            data = dumps(task, protocol)
            if main in data:
                data = serialize.argument_bytes(task)
        except Exception:
            data = serialize.argument_bytes(task)
        lot.append(data)
        size += len(data)
        if size >= LOT_BYTES or len(lot) >= LOT_TASKS:
            yield lot
            lot, size = [], 0
    if lot:
        yield lot


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
