"""The interpreter child of an engine: runs tasks that come on a socket, one after the other, until it is closed.

What it finds at its start: descriptor 0 is the control file, descriptor 1 the socket to the engine host, descriptor 2
where the user's code writes to. Frames are described in frames.rs, the control file in control.rs.
Syntax and library are Python 3.9's; only cloudpickle is needed beside them.
"""

import os
import signal
import sys
from mmap import mmap
from pickle import dumps, loads
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
            how, function = loads(self.bodies[number])
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


def serve():
    control, link = take_descriptors()
    try:
        import faulthandler

        faulthandler.enable()
    except Exception:
        pass  # only the stack in the report of a crash is missed
    cloud, problem = import_cloudpickle()
    functions = Functions()
    receive = open(link, "rb", buffering=1 << 16, closefd=False).read
    frame = Struct("<BIIQ")
    reply = Struct("<QIB")
    write = os.write
    started = 0  # tasks that have begun, which is also the number of the running one
    armed = 0  # the number of the task whose code runs, for which an interrupt may be meant

    def on_interrupt(_signal, _frame):
        if armed and control[UNWANTED] == armed:
            raise KeyboardInterrupt

    def on_fork():
        nonlocal link
        os.close(link)
        link = -1  # a forked copy that comes back from the user's code must not answer

    signal.signal(signal.SIGINT, on_interrupt)
    os.register_at_fork(after_in_child=on_fork)

    def send(code, micros, data):
        head = reply.pack(len(data), micros, code)
        if len(data) < JOIN_LIMIT_BYTES:
            head += data
            sent = write(link, head)
            if sent != len(head):
                send_all(memoryview(head)[sent:])
        else:
            send_all(head)
            send_all(data)

    def send_all(data):
        view = memoryview(data)
        while view:
            view = view[write(link, view) :]

    def value_of(result):
        try:
            data = dumps(result, 5)
            # a pickle that names __main__ means the child's, which the client does not have
            if b"__main__" not in data:
                return data
        except Exception:
            pass
        return cloud(result, 5)

    def run(number, argument):
        nonlocal armed
        try:
            try:
                armed = started
                data = value_of(functions.call(number)(loads(argument)))
                armed = 0
                return OK, data
            except BaseException as error:
                interrupted = isinstance(error, KeyboardInterrupt) and armed
                armed = 0
                return (INTERRUPTED if interrupted else FAILED), describe(error, cloud)
        except KeyboardInterrupt:  # it came between the task's last step and `armed = 0`
            armed = 0
            return INTERRUPTED, pack_failure("KeyboardInterrupt", "", b"")

    send(READY, PROTOCOL, ("%s\n%s" % (sys.executable, sys.version.split()[0])).encode())
    while True:
        head = receive(17)
        if len(head) < 17:
            return
        kind, number, count, size = frame.unpack(head)
        body = receive(size)
        if len(body) < size:
            return
        if kind == DEFINE:
            functions.define(number, body)
            continue
        before = perf_counter_ns()
        for argument in split(body, count):
            started += 1
            control[STARTED] = started
            if started <= control[REVOKED]:
                code, data = SKIPPED, b""
            elif problem:
                code, data = FAILED, pack_failure(problem, "", b"")
            else:
                code, data = run(number, argument)
            after = perf_counter_ns()
            micros = (after - before) // 1000
            before = after
            send(code, micros if micros < 0xFFFFFFFF else 0xFFFFFFFF, data)
            data = None  # a long result is not kept while the next task runs
        body = argument = None


serve()
