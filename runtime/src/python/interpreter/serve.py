"""The interpreter child of an engine: runs tasks that come on a socket, one after the other, until it is closed.

What it finds at its start: descriptor 0 is the control file, descriptor 1 the socket to the engine host, descriptor 2
a pipe to it. The control file is described in control.rs. All files here are sent to the child and stand among its
modules below ``rpar_interpreter``. Syntax and library are Python 3.9's; only cloudpickle is needed beside them.
"""

import os
import sys
from mmap import mmap
from time import perf_counter_ns

from rpar_interpreter.failures import pack_failure
from rpar_interpreter.link import DEFINE, FAILED, READY, Link
from rpar_interpreter.namespace import Namespace
from rpar_interpreter.streams import Streams
from rpar_interpreter.tasks import Tasks

PROTOCOL = 1


def take_descriptors():
    """Moves the socket out of the way of the user's code and maps the control file.

    From then on stdin is empty, and descriptor 1 goes where descriptor 2 goes.
    """
    control, link = memoryview(mmap(0, 4096)).cast("Q"), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return control, link


def import_cloudpickle():
    """Returns cloudpickle and what is wrong, if it is not there."""
    try:
        import cloudpickle

        return cloudpickle, None
    except Exception as error:
        return None, (
            "cloudpickle cannot be imported by %s (%s: %s); install it with: %s -m pip install cloudpickle"
            % (sys.executable, type(error).__name__, error, sys.executable)
        )


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
    control, descriptor = take_descriptors()
    try:
        import faulthandler

        faulthandler.enable()
    except Exception:
        pass  # only the stack in the report of a crash is missed
    link = Link(descriptor)
    cloudpickle, problem = import_cloudpickle()
    if problem:
        link.send(FAILED, 0, pack_failure(problem, "", b""))
        return
    namespace, streams = Namespace(), Streams(link)
    # up to 2.2 it was in the latter
    for name in "cloudpickle.cloudpickle", "cloudpickle.cloudpickle_fast":
        namespace.watch(sys.modules.get(name))
    tasks = Tasks(control, cloudpickle.dumps, namespace)
    link.send(READY, PROTOCOL, ("%s\n%s" % (sys.executable, sys.version.split()[0])).encode())
    streams.install()
    out, err = streams.out, streams.err
    while True:
        frame = link.receive()
        if frame is None:
            return
        kind, number, count, body = frame
        if kind == DEFINE:
            tasks.functions.define(number, body)
            continue
        before = perf_counter_ns()
        for argument in split(body, count):
            code, data = tasks.run(number, argument)
            after = perf_counter_ns()
            if out.pending or err.pending:
                streams.flush()
            link.send(code, (after - before) // 1000, data)
            before = after
            data = None  # a long result is not kept while the next task runs
        frame = body = argument = None


serve()
