"""How functions, arguments and results become bytes.

A function is sent as a pickle of (how it takes its argument, the callable), an argument as a pickle of what that way
wants. Both ends try the fast pickler first: cloudpickle is needed only for what is defined in ``__main__`` or has no
name.
"""

import os
import pickle
import sys
from functools import lru_cache
from typing import Any, Callable, List, Tuple

from . import versions

#: Ways of calling, known to the interpreters of the engines by these numbers.
#: `CALL`: the argument is a tuple of positional arguments. `APPLY`: a pair (args, kwargs). `CHUNK`: a list of tuples,
#: answered by the list of results.
CALL, APPLY, CHUNK = 0, 1, 2

#: A pickle that names this would be looked up in another process's main program.
MAIN = b"__main__"

PROTOCOL = 5

#: Has an engine look for modules where the client does, once all its own places were tried, and gives `how`.
_LOOK_THERE = (
    "[how for sys in [__import__('sys')]"
    " for _ in [sys.path.extend([path for path in paths if path not in sys.path])]][0]"
)


def function_bytes(how: int, function: Callable[..., Any]) -> bytes:
    """Pickles a function; lambdas, closures and what is defined in ``__main__`` travel by value.

    Engines look for modules also where this program does: beside its script, in its working directory, and in what it has
    put on ``sys.path``.

    Raises
    ------
    TypeError
        If it cannot be called, or holds something that cannot be pickled.
    """
    if not callable(function):
        raise TypeError("%r is not callable" % (function,))
    return by_value((_Way(how, own_paths()), function)) + versions.stamp()


def argument_bytes(argument: Any) -> bytes:
    """Pickles an argument: fast if that will do, by cloudpickle if not.

    Raises
    ------
    TypeError
        If it holds something that cannot be pickled.
    """
    try:
        data = pickle.dumps(argument, PROTOCOL)
    except Exception:
        return by_value(argument)
    return by_value(argument) if MAIN in data else data


def by_value(value: Any) -> bytes:
    """Pickles with cloudpickle, which sends along what the other side cannot import.

    Raises
    ------
    TypeError
        If it holds something that cannot be pickled.
    """
    try:
        return _dumps()(value, PROTOCOL)
    except Exception as problem:
        raise TypeError(_refusal(problem)) from problem


@lru_cache(maxsize=None)
def _dumps() -> Callable[[Any, int], bytes]:
    import cloudpickle  # takes longer to import than the rest of this package

    from . import on_engine

    # the engines need not have this package
    cloudpickle.register_pickle_by_value(on_engine)
    dumps: Callable[[Any, int], bytes] = cloudpickle.dumps
    return dumps


def _refusal(problem: Exception) -> str:
    text = "this cannot be sent to engines: %s" % problem
    if "generator" in text:
        text += "; a list of the generator's items can"
    return text


class _Way:
    """How a function takes its argument; when an engine reads that, it learns where to look for modules too."""

    def __init__(self, how: int, paths: List[str]) -> None:
        self.how = how
        self.paths = paths

    def __reduce__(self) -> Tuple[Any, ...]:
        return eval, (_LOOK_THERE, {"how": self.how, "paths": self.paths})


def own_paths() -> List[str]:
    """Where this program finds modules that are no part of its Python's installation, as absolute paths."""
    try:
        working = os.getcwd()
    except OSError:  # it was removed
        working = ""
    return list(_own_paths(tuple(sys.path), working))


@lru_cache(maxsize=8)
def _own_paths(places: Tuple[Any, ...], working: str) -> Tuple[str, ...]:
    standard = os.path.dirname(os.__file__)
    found: List[str] = []
    for place in (*places, working):
        path = os.path.abspath(place or working) if isinstance(place, str) else ""
        installed = path.startswith(standard) or "site-packages" in path or "dist-packages" in path
        if path not in found and not installed and os.path.isdir(path):
            found.append(path)
    return tuple(found)
