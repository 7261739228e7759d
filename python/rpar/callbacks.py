"""Has results tell of their end, to those who do not wait for it."""

import itertools
import threading
from typing import TYPE_CHECKING, Dict, List, Optional

from ._rpar import Watch

if TYPE_CHECKING:
    from .asyncresult import AsyncResult
    from .tasks import Tasks

#: Seconds that the end of a client waits for callbacks that run.
JOIN_SECONDS = 5.0


class Watched:
    """A group of tasks whose results somebody wants to be told of."""

    def __init__(self, tasks: "Tasks") -> None:
        self.tasks = tasks
        # results of a single task each, by its index
        self.single: Dict[int, List["AsyncResult"]] = {}
        # results of more, which are asked at each news
        self.others: List["AsyncResult"] = []
        # how much of `tasks.arrived` has been looked at
        self.seen = 0

    def put(self, result: "AsyncResult", start: int, stop: int) -> None:
        if stop - start == 1 and len(result._parts) == 1:
            self.single.setdefault(start, []).append(result)
        else:
            self.others.append(result)

    def take(self) -> List["AsyncResult"]:
        """The results that have become ready, each once."""
        tasks = self.tasks
        if self.single:
            tasks.arrive(0)
        arrived = tasks.arrived
        ready: List["AsyncResult"] = []
        for index in itertools.islice(arrived, self.seen, None) if self.single else ():
            self.seen += 1
            ready += self.single.pop(index, ())
        others, self.others = self.others, []
        for result in others:
            (ready if result.ready() else self.others).append(result)
        return ready


class Callbacks:
    """Settles the results of a client that somebody wants to be told of.

    One thread does so for all of them. It starts with the first, and ends with the client.
    """

    def __init__(self) -> None:
        #: held while a result becomes a future
        self.becoming = threading.RLock()
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._watched: Dict[int, Watched] = {}
        self._by_tasks: Dict["Tasks", int] = {}
        self._watch: Optional[Watch] = None
        self._thread: Optional[threading.Thread] = None

    def add(self, result: "AsyncResult") -> None:
        """Has `result._settle` called once, as soon as it is ready."""
        for tasks, start, stop in result._parts:
            with self._lock:
                watch = self._start()
                number = self._by_tasks.get(tasks)
                if number is None:
                    number = self._by_tasks[tasks] = next(self._numbers)
                    self._watched[number] = Watched(tasks)
                self._watched[number].put(result, start, stop)
                watch.add(tasks.group, number, each=True)

    def close(self) -> None:
        """Ends the thread. All groups of the client have ended."""
        with self._lock:
            watch, thread = self._watch, self._thread
        if watch is not None and thread is not None:
            watch.close()
            if thread is not threading.current_thread():
                thread.join(JOIN_SECONDS)

    def _start(self) -> Watch:
        if self._watch is None:
            self._watch = Watch()
            self._thread = threading.Thread(target=self._run, args=(self._watch,), name="rpar callbacks", daemon=True)
            self._thread.start()
        return self._watch

    def _run(self, watch: Watch) -> None:
        while True:
            number = watch.next()
            if number is None:
                return
            with self._lock:
                watched = self._watched.get(number)
                if watched is None:
                    continue
                ready = watched.take()
                # what waits for other groups too stands there as well
                if not watched.single and (not watched.others or watched.tasks.ended_all()):
                    del self._watched[number], self._by_tasks[watched.tasks]
            for result in ready:
                result._settle()
            del watched, ready
