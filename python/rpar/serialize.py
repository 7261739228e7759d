"""How functions, arguments and results become bytes.

A function is sent as a pickle of (how it takes its argument, the callable), an argument as a pickle of what that way
wants. Both ends try the fast pickler first: cloudpickle is needed only for what is defined in ``__main__`` or has no
name.
"""

import os
import pickle
import sys
from functools import lru_cache, partial
from typing import Any, Callable, List, Optional, Tuple

from . import on_engine, versions

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

#: What pickles that cloudpickle cannot; None is nothing.
_dill: Optional[Callable[[Any], bytes]] = None


def use_dill() -> None:
    """Sends by dill what cloudpickle cannot pickle, as open files and locks, from now on in this process; and gets it back so.

    Raises
    ------
    ImportError
        If dill is not installed.
    """
    global _dill
    import dill

    _dill = partial(dill.dumps, protocol=PROTOCOL, recurse=True)


def use_cloudpickle() -> None:
    """Ends what `use_dill` has begun: pickle is used for what can be imported, cloudpickle for all else."""
    global _dill
    _dill = None


#: Another name: pickle alone could not send what a main program defines.
use_pickle = use_cloudpickle


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
    if _dill is not None:
        function = partial(on_engine.dilled, _sendable(function, _dill))
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
    return by_value(argument) if MAIN in data or any(mark in data for mark in marks()) else data


def by_value(value: Any) -> bytes:
    """Pickles with cloudpickle, which sends along what the other side cannot import.

    Raises
    ------
    TypeError
        If it holds something that cannot be pickled.
    """
    dumps = _dumps()
    try:
        return dumps(value, PROTOCOL)
    except Exception as problem:
        if _dill is not None:
            return dumps(_sendable(value, _dill), PROTOCOL)
        raise TypeError(_refusal(problem)) from problem


def marks() -> Tuple[bytes, ...]:
    """Names of modules that `cloudpickle.register_pickle_by_value` was told of: a pickle that holds one may need cloudpickle."""
    module = sys.modules.get("cloudpickle")
    if module is None:
        return ()
    registered = module.list_registry_pickle_by_value()
    return tuple(name.encode() for name in registered if name != on_engine.__name__)


@lru_cache(maxsize=None)
def _dumps() -> Callable[[Any, int], bytes]:
    import cloudpickle  # takes longer to import than the rest of this package

    # the engines need not have this package
    cloudpickle.register_pickle_by_value(on_engine)
    dumps: Callable[[Any, int], bytes] = cloudpickle.dumps
    return dumps


def _sendable(value: Any, dill: Callable[[Any], bytes]) -> Any:
    """The value, or if cloudpickle cannot have it, what becomes that value by dill."""
    try:
        _dumps()(value, PROTOCOL)
        return value
    except Exception:
        pass
    try:
        return on_engine.Dilled(dill(value))
    except Exception as problem:
        raise TypeError(_refusal(problem)) from problem


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


def missing(ename: str, text: str) -> str:
    """What to do about a module that an engine could not import, if it is one of this program's; else nothing."""
    name = text.partition("No module named '")[2].partition("'")[0]
    module = sys.modules.get(name.partition(".")[0])
    if ename != "ModuleNotFoundError" or module is None or name not in sys.modules:
        return ""
    return (
        "; here it is %s: put it where engines find it too (a directory that they share, or the PYTHONPATH that [engines] setup "
        "gives them), or have it sent along by cloudpickle.register_pickle_by_value(%s)"
        % (getattr(module, "__file__", None) or "made by this program", module.__name__)
    )
