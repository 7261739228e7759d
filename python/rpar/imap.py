"""Maps over inputs that are taken as they are needed, which may never end."""

import threading
import time
import weakref
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, Iterable, Iterator, Optional, Tuple

from . import serialize
from ._rpar import Watch
from .decorators import name_of
from .lots import Calls
from .reference import callable_of

if TYPE_CHECKING:
    from .asyncresult import AsyncResult
    from .balanced import LoadBalancedView

#: Without a limit of the user's, so many tasks for each engine may be outstanding at first: one runs while the next is
#: there. Then as many as were done within `AHEAD_S`, so that small tasks need not wait for this process, but no more than
#: `WINDOW_LIMIT`, so that little is held in memory and little was in vain when the program stops early.
FOR_EACH_ENGINE = 2
AHEAD_S = 0.05
WINDOW_LIMIT = 1024

#: How often it is asked how many engines there are, while results are taken.
LOOK_S = 5.0


class LazyMap:
    """Iterates over the results of a map whose inputs are taken while it goes on.

    At the end of a ``with`` block, at `close`, or when nobody has it any more, no more inputs are taken and what is
    outstanding is cancelled.
    """

    def __init__(self, feed: "Feed") -> None:
        self._feed = feed
        self._values: Iterator[Any] = iter(())
        self._close = weakref.finalize(self, feed.close)

    def __iter__(self) -> "LazyMap":
        return self

    def __next__(self) -> Any:
        """Waits for the next result.

        Raises
        ------
        rpar.error.RemoteError
            If the call has failed, unless exceptions are to be returned. The next result can be asked for after that.
        """
        for value in self._values:
            return value
        result = self._feed.next()
        if self._feed.chunksize == 1:
            return result.get()
        chunk = result.get()
        self._values = iter([chunk] if isinstance(chunk, Exception) else chunk)
        return next(self._values)

    def cancel(self) -> None:
        """Takes no more inputs; results of what was submitted still come."""
        self._feed.cancel()

    def close(self) -> None:
        """Takes no more inputs, and cancels what is outstanding."""
        self._close()

    def __enter__(self) -> "LazyMap":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class Feed:
    """Takes inputs, in a thread of its own as they may be long in coming, and submits them while there is room.

    A task is outstanding from its submission until its result was asked for.
    """

    def __init__(
        self,
        view: "LoadBalancedView",
        f: Callable[..., Any],
        sequences: Tuple[Iterable[Any], ...],
        *,
        ordered: bool,
        limit: Optional[int],
        chunksize: int,
        return_exceptions: bool,
    ) -> None:
        self.chunksize = chunksize
        self._view = view
        self._limit = limit
        self._fname = name_of(f)
        self._return_exceptions = return_exceptions
        body = serialize.function_bytes(serialize.CALL if chunksize == 1 else serialize.CHUNK, callable_of(f))
        self._function = view.client._session.define(body)
        self._options = view._options()
        self._calls = iter(Calls(sequences, chunksize))
        # tells of tasks as they end; in order it is not needed
        self._watch = None if ordered else Watch()
        self._submitted: Deque["AsyncResult"] = deque()
        self._running: Dict[Optional[int], "AsyncResult"] = {}
        self._numbers = count()
        self._changed = threading.Condition()
        self._outstanding = 0
        self._over = False
        self._problem: Optional[BaseException] = None
        self._window = Window(view, limit)
        threading.Thread(target=self._submit_all, name="rpar-imap", daemon=True).start()

    def next(self) -> "AsyncResult":
        """The next result: in order, or one that is there."""
        with self._changed:
            while not self._outstanding and not self._over:
                self._changed.wait()
            if not self._outstanding:
                problem, self._problem = self._problem, None
                raise problem or StopIteration
        if self._watch is None:
            # it stays there until it has ended: Ctrl-C loses nothing
            result = self._submitted[0]
            result.wait()
            self._submitted.popleft()
        else:
            ended = self._running.pop(self._watch.next(), None)
            if ended is None:  # it was closed meanwhile
                raise StopIteration
            result = ended
        with self._changed:
            self._outstanding -= 1
            self._window.took_one()
            self._changed.notify()
        return result

    def cancel(self) -> None:
        """Takes no more inputs."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def close(self) -> None:
        """Takes no more inputs, and cancels what is outstanding; nothing comes any more."""
        with self._changed:
            self.cancel()
            left = [*self._submitted, *self._running.values()]
            self._submitted.clear()
            self._running.clear()
            self._outstanding = 0
        if self._watch is not None:
            self._watch.close()
        for result in left:
            result.cancel()

    def _submit_all(self) -> None:
        try:
            while self._has_room():
                call = next(self._calls, None)
                if call is None:
                    break
                self._submit(call)
        except (
            BaseException
        ) as problem:  # of the input, or an argument that cannot be pickled: whoever iterates gets it
            self._problem = problem
        self.cancel()

    def _has_room(self) -> bool:
        """Waits until one more may be submitted; false if none is to be any more."""
        with self._changed:
            while not self._over and self._outstanding >= self._window.size:
                self._changed.wait()
            return not self._over

    def _submit(self, call: Any) -> None:
        client = self._view.client
        group = client._session.group()
        argument = serialize.argument_bytes(call)
        with self._changed:
            if self._over:
                return
            client._session.submit(group, self._function, self._options, [argument])
            result = self._view._result(group, self._fname, return_exceptions=self._return_exceptions)
            if self._watch is None:
                self._submitted.append(result)
            else:
                number = next(self._numbers)
                self._running[number] = result
                self._watch.add(group, number)
            self._outstanding += 1
            self._changed.notify()


class Window:
    """How many tasks may be outstanding."""

    def __init__(self, view: "LoadBalancedView", limit: Optional[int]) -> None:
        self.size: float = limit or float("inf")
        self._view = view
        self._given = limit is not None
        self._floor = 1
        self._looked = self._since = time.monotonic()
        self._taken = 0
        if not self._given:
            self._look()
            self.size = self._floor

    def took_one(self) -> None:
        """A result was asked for and is there."""
        if self._given:
            return
        self._taken += 1
        now = time.monotonic()
        if now - self._since < AHEAD_S:
            return
        if now - self._looked >= LOOK_S:
            self._look()
            self._looked = now
        rate = self._taken / (now - self._since)
        self.size = max(self._floor, min(WINDOW_LIMIT, int(rate * AHEAD_S)))
        self._since, self._taken = now, 0

    def _look(self) -> None:
        self._floor = max(1, FOR_EACH_ENGINE * len(self._view))
