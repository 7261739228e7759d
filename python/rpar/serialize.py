"""How functions, arguments and results become bytes.

A function is sent as a pickle of (how it takes its argument, the callable), an argument as a pickle of what that way
wants. Both ends try the fast pickler first: cloudpickle is needed only for what is defined in ``__main__`` or has no
name.
"""

import pickle
from typing import Any, Callable

#: Ways of calling, known to the interpreters of the engines by these numbers.
#: `CALL`: the argument is a tuple of positional arguments. `APPLY`: a pair (args, kwargs). `CHUNK`: a list of tuples,
#: answered by the list of results.
CALL, APPLY, CHUNK = 0, 1, 2

#: A pickle that names this would be looked up in another process's main program.
MAIN = b"__main__"

PROTOCOL = 5


def function_bytes(how: int, function: Callable[..., Any]) -> bytes:
    """Pickles a function; lambdas, closures and what is defined in ``__main__`` travel by value.

    Raises
    ------
    TypeError
        If it cannot be called, or holds something that cannot be pickled.
    """
    if not callable(function):
        raise TypeError("%r is not callable" % (function,))
    return by_value((how, function))


def argument_bytes(argument: Any) -> bytes:
    """Pickles an argument: fast if that will do, by cloudpickle if not."""
    try:
        data = pickle.dumps(argument, PROTOCOL)
    except Exception:
        return by_value(argument)
    return by_value(argument) if MAIN in data else data


def by_value(value: Any) -> bytes:
    """Pickles with cloudpickle, which sends along what the other side cannot import."""
    import cloudpickle  # takes longer to import than the rest of this package

    data: bytes = cloudpickle.dumps(value, PROTOCOL)
    return data
