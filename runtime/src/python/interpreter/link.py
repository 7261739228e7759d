"""The socket to the engine host. What goes over it is described in frames.rs."""

import os
from _thread import RLock
from struct import Struct

DEFINE, RUN = 1, 2
READY, OK, FAILED, INTERRUPTED, SKIPPED, STDOUT, STDERR = 0, 0, 1, 2, 3, 4, 5

# above this, joining header and result for a single write costs more than a second write
JOIN_LIMIT_BYTES = 1 << 16
# a write up to this length enters a Unix socket as one buffer: whole, or not at all if a signal comes first; and no
# other thread's write comes between (unix_stream_sendmsg in Linux's net/unix/af_unix.c parts what is over 32 KiB)
WHOLE_BYTES = 1 << 14


class Link:
    """Frames from and to the engine host."""

    FRAME = Struct("<BIIQ")
    REPLY = Struct("<QIB")

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.read = open(descriptor, "rb", buffering=1 << 16, closefd=False).read
        # for whatever threads write that are not the one that answers
        self.lock = RLock()
        self.parted = False  # an answer is being written in several parts
        os.register_at_fork(after_in_child=self.cut)

    def cut(self):
        """In a forked copy of this process: should it come back from the user's code, it must not answer."""
        os.close(self.descriptor)
        self.descriptor = -1
        self.lock = RLock()  # a thread that is not here may have held it

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
        if self.descriptor < 0:
            os._exit(1)
        head = self.REPLY.pack(len(data), micros if micros < 0xFFFFFFFF else 0xFFFFFFFF, code)
        if len(data) < WHOLE_BYTES:
            self.write(head + data)
            return
        with self.lock:
            self.parted = True
            if len(data) < JOIN_LIMIT_BYTES:
                self.write(head + data)
            else:
                self.write(head)
                self.write(data)
            self.parted = False

    def print(self, code, data):
        """Passes on what the user's code printed, at most `WHOLE_BYTES`; tells whether that was possible."""
        with self.lock:
            # in the midst of an answer only a signal's function gets here
            if self.descriptor < 0 or self.parted:
                return False
            self.write(self.REPLY.pack(len(data), 0, code) + data)
            return True

    def write(self, data):
        sent = os.write(self.descriptor, data)
        if sent < len(data):
            rest = memoryview(data)[sent:]
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
