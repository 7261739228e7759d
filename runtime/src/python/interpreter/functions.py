"""The functions that the engine host has sent."""

import sys
from pickle import UnpicklingError, loads

# how a function takes its unpickled argument; numbers shared with the client
CALL, APPLY, CHUNK = 0, 1, 2


class Functions:
    """Functions by number; each is unpickled when it is first run."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.bodies = {}
        self.calls = {}

    def define(self, number, body):
        self.bodies[number] = body
        self.calls.pop(number, None)

    def call(self, number):
        """Returns a callable that takes the unpickled argument of a task, and the scopes that it uses."""
        known = self.calls.get(number)
        if known is None:
            self.namespace.arrived.clear()
            how, function = load(self.bodies[number])
            if how == CALL:
                call = lambda args: function(*args)
            elif how == APPLY:
                call = lambda both: function(*both[0], **both[1])
            elif how == CHUNK:
                call = lambda chunk: [function(*args) for args in chunk]
            else:
                raise ValueError("unknown way to call a function: %r; are client and engines of one build?" % (how,))
            known = self.calls[number] = call, self.namespace.scopes()
            del self.bodies[number]
        return known


def load(body):
    """Unpickles a function; where the two sides' Pythons do not fit, the error says so."""
    try:
        return loads(body)
    except (AttributeError, SystemError, TypeError, ValueError, UnpicklingError) as error:
        cloudpickle = sys.modules.get("cloudpickle")
        raise RuntimeError(
            "the function cannot be loaded by %s (Python %s, cloudpickle %s): %s: %s; client and engines need the same "
            "Python and cloudpickle: activate the client's before `rpar start`, or set [python] executable"
            % (
                sys.executable,
                sys.version.split()[0],
                getattr(cloudpickle, "__version__", "none"),
                type(error).__name__,
                error,
            )
        ) from error
