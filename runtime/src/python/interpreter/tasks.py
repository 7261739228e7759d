"""Runs tasks, one at a time."""

import signal
from pickle import dumps, loads

from rpar_interpreter import room
from rpar_interpreter.failures import describe, pack_failure
from rpar_interpreter.functions import Functions, unfit
from rpar_interpreter.link import FAILED, INTERRUPTED, OK, SKIPPED

# a result up to this length is not looked at
LONG_BYTES = 64 << 20
# words of the control file
STARTED, REVOKED, UNWANTED = 0, 1, 2


class Tasks:
    """The tasks of this child: what they call, and which one runs."""

    def __init__(self, control, cloud, namespace):
        self.control = control
        self.namespace = namespace
        self.functions = Functions(namespace)
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
        namespace = self.namespace
        try:
            try:
                self.armed = started
                call, scopes, told = self.functions.call(number)
                if told:
                    namespace.forget()
                argument = loads(argument)
                if told and namespace.arrived:
                    raise unfit("a function among the arguments")
                if scopes or namespace.arrived or namespace.kept:
                    result = namespace.call(call, argument, scopes)
                else:
                    result = call(argument)
                data = self.pickled(result)
                if told:
                    data += told
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
            by_value = b"__main__" in data
        except Exception:
            by_value = True
        if by_value:
            data = self.cloud(result, 5)
        if len(data) > LONG_BYTES:
            room.check(len(data))
        return data
