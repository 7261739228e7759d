"""Functions that run on engines when they are called."""

import copy
import inspect
from types import FunctionType
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional

from . import partition, serialize
from .reference import callable_of

if TYPE_CHECKING:
    from .view import View


class RemoteFunction:
    """A function that a view applies when it is called.

    Parameters
    ----------
    view : View
    f : callable
    block : bool, optional
        Whether a call waits and returns the result, in place of an `AsyncResult`; default is the view's.
    **flags
        Flags of the view for these calls.
    """

    def __init__(self, view: "View", f: Callable[..., Any], block: Optional[bool] = None, **flags: Any) -> None:
        self.view = view
        self.func = f
        self.block = block
        self.flags = flags
        self.__name__ = name_of(f)
        self.__doc__ = getattr(f, "__doc__", None)
        try:
            self.__signature__ = inspect.signature(f)
        except (TypeError, ValueError):  # many built-in ones tell none
            pass

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._view().apply(self.func, *args, **kwargs)

    def _view(self) -> "View":
        """The view with the flags of this function; the user's own one stays as it is, as others may be using it."""
        view = copy.copy(self.view)
        view.set_flags(**self.flags)
        if self.block is not None:
            view.block = self.block
        return view


class ParallelFunction(RemoteFunction):
    """A function of sequences that is called on each engine with a part of them; with `map`, for each of their items.

    Parameters
    ----------
    view : View
    f : callable
        Takes parts of the sequences; a load-balanced view's parts are of `chunksize` items, a direct view has one for each
        engine. What it returns is put together: arrays to one array, lists to one list, anything else stands in a list.
    dist : {"b", "r"}
        Whether parts are contiguous blocks, or dealt out in turn.
    block : bool, optional
        Whether a call waits and returns the result, in place of an `AsyncResult`; default is the view's.
    chunksize : int, optional
        How many items make a task; default is 1 for a load-balanced view, and an equal part for each engine of a direct one.
    ordered : bool, default True
        For `map`: whether iteration is in the order of the sequences, or of completion.
    return_exceptions : bool, default False
        Whether exceptions stand among the results, in place of being raised.
    **flags
        Flags of the view for these calls.
    """

    def __init__(
        self,
        view: "View",
        f: Callable[..., Any],
        dist: str = "b",
        block: Optional[bool] = None,
        chunksize: Optional[int] = None,
        ordered: bool = True,
        return_exceptions: bool = False,
        **flags: Any,
    ) -> None:
        partition.check_way(dist)
        super().__init__(view, f, block, **flags)
        self.dist = dist
        self.chunksize = chunksize
        self.ordered = ordered
        self.return_exceptions = return_exceptions

    def __call__(self, *sequences: Any) -> Any:
        """Calls the function with parts of the sequences.

        Raises
        ------
        ValueError
            If they are not of the same length.
        """
        whole = [partition.sliceable(sequence) for sequence in sequences]
        lengths = [len(sequence) for sequence in whole]
        if len(set(lengths)) > 1:
            raise ValueError("sequences must be of the same length, but theirs are %s" % lengths)
        if not whole or not lengths[0]:
            return []
        view = self._view()

        def pack(count: int) -> Iterator[bytes]:
            parts = [partition.part(sequence, lengths[0], count, self.dist) for sequence in whole]
            return (serialize.argument_bytes(arguments) for arguments in zip(*parts))

        function = view.client._session.define(serialize.function_bytes(serialize.CALL, callable_of(self.func)))
        group, targets = view._submit_parts(function, lengths[0], self.chunksize, pack)
        result = view._joined_result(group, self.__name__, self.dist, targets, self.return_exceptions)
        return result.get() if view.block else result

    def map(self, *sequences: Any) -> Any:
        """Calls the function with the items of the sequences, as the built-in ``map`` does; an `AsyncMapResult`, or the list
        of results if it blocks."""
        return self._view().map(
            self.func,
            *sequences,
            chunksize=self.chunksize,
            ordered=self.ordered,
            return_exceptions=self.return_exceptions,
        )


def remote(view: "View", block: Optional[bool] = None, **flags: Any) -> Callable[[Callable[..., Any]], RemoteFunction]:
    """Decorator: to call the function is to have `view` apply it; see `RemoteFunction`."""
    return lambda f: RemoteFunction(view, f, block, **flags)


def parallel(
    view: "View", dist: str = "b", block: Optional[bool] = None, ordered: bool = True, **flags: Any
) -> Callable[[Callable[..., Any]], ParallelFunction]:
    """Decorator: to call the function is to call it with parts of sequences on engines; see `ParallelFunction`."""
    return lambda f: ParallelFunction(view, f, dist, block, ordered=ordered, **flags)


def interactive(f: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the function's global names are those of the engine's namespace, as if it were defined interactively.

    Functions of modules need it where they use what was pushed or executed. Here its names are those of the main program.
    """
    import __main__

    if isinstance(f, FunctionType):
        bound = FunctionType(f.__code__, vars(__main__), f.__name__, f.__defaults__, f.__closure__)
        bound.__kwdefaults__ = f.__kwdefaults__
        bound.__doc__ = f.__doc__
        bound.__dict__.update(f.__dict__)
        f = bound
    f.__module__ = "__main__"
    return f


def name_of(function: Callable[..., Any]) -> str:
    """What a function is called where people read it."""
    name = getattr(function, "__name__", None) or getattr(function, "name", None)
    return name if isinstance(name, str) else type(function).__name__
