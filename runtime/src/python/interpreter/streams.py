"""``sys.stdout`` and ``sys.stderr`` of the user's code: what is printed goes to the engine host at once, between the
answers, so that it is known whose it is.

It goes in whole lines; what has no line's end yet waits for 8 KiB of it, ``flush()`` or the end of the task. What a thread
prints belongs to the task that the interpreter is at, whoever has started it. Forked processes, which have no link, and
everything that writes to the descriptors 1 and 2 go through the pipe that these are.
"""

import io
import os
import sys

from rpar_interpreter.link import STDERR, STDOUT, WHOLE_BYTES

PENDING_BYTES = 8 << 10


class Stream(io.RawIOBase):
    """The bytes below a text stream."""

    mode = "wb"

    def __init__(self, link, code, descriptor, name):
        self.link = link
        self.code = code
        self.descriptor = descriptor
        self.name = name
        self.pending = []
        self.length = 0
        os.register_at_fork(after_in_child=self.forget)

    def writable(self):
        return True

    def fileno(self):
        return self.descriptor

    def write(self, data):
        # what is given may be lent
        data = bytes(data)
        with self.link.lock:
            self.pending.append(data)
            self.length += len(data)
            if self.length >= PENDING_BYTES or b"\n" in data:
                self.flush()
        return len(data)

    def flush(self):
        with self.link.lock:
            if not self.pending:
                return
            data = b"".join(self.pending)
            self.forget()
            for begin in range(0, len(data), WHOLE_BYTES):
                part = data[begin : begin + WHOLE_BYTES]
                if not self.link.print(self.code, part):
                    while part:
                        part = part[os.write(self.descriptor, part) :]

    def forget(self):
        """In a forked copy: what was not flushed is printed by the other one."""
        self.pending = []
        self.length = 0


class Streams:
    """Both streams."""

    def __init__(self, link):
        self.out = Stream(link, STDOUT, 1, "<stdout>")
        self.err = Stream(link, STDERR, 2, "<stderr>")

    def install(self):
        def text(stream, errors):
            return io.TextIOWrapper(stream, "utf-8", errors, newline="\n", write_through=True)

        sys.stdout, sys.stderr = text(self.out, "surrogateescape"), text(self.err, "backslashreplace")

    def flush(self):
        self.out.flush()
        self.err.flush()
