"""The interpreter child of an engine: runs tasks that come on a socket, one after the other, until it is closed.

What it finds at its start: descriptor 0 is the control file, descriptor 1 the socket to the engine host, descriptor 2
where the user's code writes to. Frames are described in frames.rs, the control file in control.rs.
Syntax and library are Python 3.9's; only cloudpickle is needed beside them.
"""

import os
import signal
import sys
from mmap import mmap
from pickle import UnpicklingError, dumps, loads
from struct import Struct
from time import perf_counter_ns

PROTOCOL = 1
DEFINE, RUN = 1, 2
READY, OK, FAILED, INTERRUPTED, SKIPPED = 0, 0, 1, 2, 3
# words of the control file
STARTED, REVOKED, UNWANTED = 0, 1, 2
# above this, joining header and result for a single write costs more than a second write
JOIN_LIMIT_BYTES = 1 << 16
# exceptions can carry data; what is longer than this goes without
EXCEPTION_LIMIT_BYTES = 1 << 20
# how a function takes its unpickled argument; numbers shared with the client
CALL, APPLY, CHUNK = 0, 1, 2


def take_descriptors():
    """Moves the socket out of the way of the user's code and maps the control file.

    From then on stdin is empty, and stdout goes where stderr goes.
    """
    control, link = memoryview(mmap(0, 4096)).cast("Q"), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return control, link


def import_cloudpickle():
    """Returns cloudpickle's dumps and what is wrong, if it is not there."""
    try:
        import cloudpickle

        return cloudpickle.dumps, None
    except Exception as error:
        return None, (
            "cloudpickle cannot be imported by %s (%s: %s); install it with: %s -m pip install cloudpickle"
            % (sys.executable, type(error).__name__, error, sys.executable)
        )


def describe(error, cloud):
    """Packs an exception: its last line, its traceback from the user's code on, and its pickle if it has one."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    try:
        text = str(error)
    except BaseException:
        text = "<str() of the exception failed>"
    name = type(error).__name__
    message = name + ": " + text.split("\n", 1)[0] if text else name
    try:
        detail = "".join(traceback.format_exception(type(error), error, trace))
    except BaseException as problem:
        detail = message + "\n(its traceback cannot be shown: %r)\n" % (problem,)
    try:
        pickled = cloud(error, 5) if cloud else b""
    except BaseException:
        pickled = b""
    if len(pickled) > EXCEPTION_LIMIT_BYTES:
        pickled = b""
    return pack_failure(message, detail, pickled)


def pack_failure(message, detail, pickled):
    parts = [text.encode("utf-8", "backslashreplace") for text in (message, detail)] + [pickled]
    return b"".join(len(part).to_bytes(8, "little") + part for part in parts)


def load_function(body):
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


class Functions:
    """The functions that this child was sent, by number; each is unpickled when it is first run."""

    def __init__(self):
        self.bodies = {}
        self.calls = {}

    def define(self, number, body):
        self.bodies[number] = body
        self.calls.pop(number, None)

    def call(self, number):
        """Returns a callable that takes the unpickled argument of a task."""
        call = self.calls.get(number)
        if call is None:
            how, function = load_function(self.bodies[number])
            if how == CALL:
                call = lambda args: function(*args)
            elif how == APPLY:
                call = lambda both: function(*both[0], **both[1])
            elif how == CHUNK:
                call = lambda chunk: [function(*args) for args in chunk]
            else:
                raise ValueError("unknown way to call a function: %r; are client and engines of one build?" % (how,))
            self.calls[number] = call
            del self.bodies[number]
        return call


def split(body, count):
    """Yields the arguments of a batch: its lengths (u32 each) come first, unless there is but one."""
    if count == 1:
        yield body
        return
    from array import array

    view = memoryview(body)
    lengths = array("I")
    lengths.frombytes(view[: 4 * count])
    if sys.byteorder == "big":
        lengths.byteswap()
    begin = 4 * count
    for length in lengths:
        end = begin + length
        yield view[begin:end]
        begin = end


class Link:
    """The socket to the engine host."""

    FRAME = Struct("<BIIQ")
    REPLY = Struct("<QIB")

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.read = open(descriptor, "rb", buffering=1 << 16, closefd=False).read
        os.register_at_fork(after_in_child=self.cut)

    def cut(self):
        """In a forked copy of this process: should it come back from the user's code, it must not answer."""
        os.close(self.descriptor)
        self.descriptor = -1

    def receive(self):
        """Returns the next frame: kind, function number, count and body; None when the engine host is gone."""
        head = self.read(self.FRAME.size)
        if len(head) < self.FRAME.size:
            return None
        kind, number, count, size = self.FRAME.unpack(head)
        body = self.read(size)
        return (kind, number, count, body) if len(body) == size else None

    def send(self, code, micros, data):
        """Answers a task. Each answer leaves at once: the next task may be the one that ends this process."""
        head = self.REPLY.pack(len(data), micros if micros < 0xFFFFFFFF else 0xFFFFFFFF, code)
        if len(data) < JOIN_LIMIT_BYTES:
            self.write(head + data)
        else:
            self.write(head)
            self.write(data)

    def write(self, data):
        if self.descriptor < 0:
            os._exit(1)
        sent = os.write(self.descriptor, data)
        if sent < len(data):
            rest = memoryview(data)[sent:]
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]


class Interpreter:
    """Runs tasks, one at a time."""

    def __init__(self, control, cloud):
        self.control = control
        self.functions = Functions()
        self.cloud = cloud
        self.started = 0  # how many tasks have begun, which is also the number of the running one
        self.armed = 0  # the number of the task whose code runs, for which an interrupt may be meant
        signal.signal(signal.SIGINT, self.on_interrupt)

    def on_interrupt(self, _signal, _frame):
        if self.armed and self.control[UNWANTED] == self.armed:
            raise KeyboardInterrupt

    def run(self, number, argument):
        """Runs the next task and returns its code and answer."""
        self.started = started = self.started + 1
        self.control[STARTED] = started
        if started <= self.control[REVOKED]:
            return SKIPPED, b""
        try:
            try:
                self.armed = started
                data = self.pickled(self.functions.call(number)(loads(argument)))
                self.armed = 0
                return OK, data
            except BaseException as error:
                interrupted = isinstance(error, KeyboardInterrupt) and self.armed
                self.armed = 0
                return (INTERRUPTED if interrupted else FAILED), describe(error, self.cloud)
        except KeyboardInterrupt:  # it came between the task's last step and `armed = 0`
            self.armed = 0
            return INTERRUPTED, pack_failure("KeyboardInterrupt", "", b"")

    def pickled(self, result):
        try:
            data = dumps(result, 5)
            # a pickle that names __main__ means this process's, which the client does not have
            if b"__main__" not in data:
                return data
        except Exception:
            pass
        return self.cloud(result, 5)


def serve():
    control, descriptor = take_descriptors()
    try:
        import faulthandler

        faulthandler.enable()
    except Exception:
        pass  # only the stack in the report of a crash is missed
    link = Link(descriptor)
    cloud, problem = import_cloudpickle()
    if problem:
        link.send(FAILED, 0, pack_failure(problem, "", b""))
        return
    interpreter = Interpreter(control, cloud)
    link.send(READY, PROTOCOL, ("%s\n%s" % (sys.executable, sys.version.split()[0])).encode())
    while True:
        frame = link.receive()
        if frame is None:
            return
        kind, number, count, body = frame
        if kind == DEFINE:
            interpreter.functions.define(number, body)
            continue
        before = perf_counter_ns()
        for argument in split(body, count):
            code, data = interpreter.run(number, argument)
            after = perf_counter_ns()
            link.send(code, (after - before) // 1000, data)
            before = after
            data = None  # a long result is not kept while the next task runs
        frame = body = argument = None


serve()
