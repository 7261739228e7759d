"""Names that mean something on the engines."""

from functools import partial
from typing import Any, Callable, Tuple

from . import on_engine

#: Looks a name up where it is unpickled. The main module is not named in one piece: an argument that names it is taken
#: for one that needs cloudpickle.
_LOOK_UP = "eval(name, vars(__import__('__main' '__')))"


class Reference:
    """Stands in arguments for what an engine has by that name: it becomes that when it gets there.

    It can be in lists, tuples and dicts, and be the function of `apply` and `map`.

    Parameters
    ----------
    name : str
        A name in the engines' namespace, or an expression of such, as ``"a.shape[0]"``.

    Examples
    --------
    >>> view.push({"table": table})
    >>> view.apply_sync(len, rpar.Reference("table"))
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError("a reference is a name or an expression in a string, not %r" % (name,))
        self.name = name

    def __repr__(self) -> str:
        return "<Reference: %r>" % self.name

    def __reduce__(self) -> Tuple[Any, ...]:
        return eval, (_LOOK_UP, {"name": self.name})


def callable_of(function: Any) -> Callable[..., Any]:
    """What is to be called on the engines. There a reference is looked up, and a dependency checked, at each call."""
    if isinstance(function, Reference):
        return partial(on_engine.call, function.name)
    return function.checked if isinstance(function, on_engine.dependent) else function
