"""The functions that the engine host has sent."""

import sys
from pickle import UnpicklingError, loads

# how a function takes its unpickled argument; numbers shared with the client
CALL, APPLY, CHUNK = 0, 1, 2

# behind a function's pickle, followed by the minor version of the Python that has made it, such as 3.11
MADE_BY = b".\nPython "
OWN = "%d.%d" % sys.version_info[:2]
# behind the results of a function that another minor version has made
TOLD = ("\nPython %s %s" % (sys.version.split()[0], sys.executable)).encode("utf-8", "surrogateescape")


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
        """Returns a callable that takes the unpickled argument of a task, the scopes that it uses, and what its client is to
        know of this Python.
        """
        known = self.calls.get(number)
        if known is None:
            self.namespace.forget()
            maker = made_by(self.bodies[number])
            how, function = load(self.bodies[number], maker)
            if maker != OWN and self.namespace.arrived:
                raise unfit("the function")
            if how == CALL:
                call = lambda args: function(*args)
            elif how == APPLY:
                call = lambda both: function(*both[0], **both[1])
            elif how == CHUNK:
                call = lambda chunk: [function(*args) for args in chunk]
            else:
                raise ValueError("unknown way to call a function: %r; are client and engines of one build?" % (how,))
            known = self.calls[number] = call, self.namespace.scopes(), b"" if maker == OWN else TOLD
            del self.bodies[number]
        return known


def unfit(what):
    """Why what another minor version has made does not run here: its bytecode would crash this one."""
    return RuntimeError(
        "%s was sent by value, and Python %s (%s) cannot run what another minor version has compiled; client and engines "
        "need the same one: activate the client's before `rpar start`, or set [python] executable in the profile"
        % (what, sys.version.split()[0], sys.executable)
    )


def made_by(body):
    """The minor version that has made a function; this one's if that is not told."""
    begin = body.rfind(MADE_BY, -32)
    return OWN if begin < 0 else body[begin + len(MADE_BY) :].decode("ascii", "replace")


def load(body, maker):
    """Unpickles a function; where the two sides' Pythons do not fit, the error says so."""
    try:
        return loads(body)
    except (AttributeError, SystemError, TypeError, ValueError, UnpicklingError) as error:
        cloudpickle = sys.modules.get("cloudpickle")
        raise RuntimeError(
            "the function%s cannot be loaded by %s (Python %s, cloudpickle %s): %s: %s; client and engines need the same "
            "Python and cloudpickle: activate the client's before `rpar start`, or set [python] executable"
            % (
                "" if maker == OWN else ", which was made by Python %s," % maker,
                sys.executable,
                sys.version.split()[0],
                getattr(cloudpickle, "__version__", "none"),
                type(error).__name__,
                error,
            )
        ) from error
