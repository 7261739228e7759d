"""What a client asks of the cluster's engines."""

import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Union

from . import error
from .targets import Targets, resolve

if TYPE_CHECKING:
    from . import _rpar
    from .direct import DirectView
    from .progress import Bar

#: Seconds for which the controller is asked to wait for news at a time.
NEWS_WITHIN = 10.0

#: Seconds that an interpreter has to end by itself before its task counts as stuck.
RESTART_WITHIN = 60.0


class Engines:
    """The part of a client that looks after the engines."""

    _session: "_rpar.Session"
    close: Callable[[], None]
    direct_view: Callable[..., "DirectView"]

    @property
    def ids(self) -> List[int]:
        """Ids of the engines that are there now, in order. Asks the controller."""
        return sorted(engine["id"] for engine in self.status()["engines"])

    def __len__(self) -> int:
        return len(self.ids)

    def __bool__(self) -> bool:
        return True

    def status(self, timeout: float = 10.0) -> Dict[str, Any]:
        """The cluster's state as the controller tells it: ``engines`` and ``allocations`` (lists), ``tasks`` (counts) and
        others. ``rpar status --json`` is made of it.

        Raises
        ------
        TimeoutError
            If the controller does not answer within `timeout` seconds.
        """
        return self._status(timeout)

    def _status(self, timeout: float, after: Optional[int] = None) -> Dict[str, Any]:
        status: Dict[str, Any] = json.loads(self._session.status(timeout, after))
        return status

    def queue_status(self, targets: Targets = "all", verbose: bool = False) -> Dict[Union[int, str], Any]:
        """How many tasks engines have and had, of all clients together.

        Parameters
        ----------
        targets : int, list of int, slice or "all"
        verbose : bool
            Taken for the sake of older programs: tasks are counted; the client that has submitted them knows their ids.

        Returns
        -------
        dict
            For each engine its ``queue`` (tasks that wait there), ``tasks`` (1 if one runs) and ``completed``; and under
            ``"unassigned"`` how many tasks wait for an engine. For a single engine's id, only what is of that.

        Raises
        ------
        IndexError
            If an engine is named that is not there.
        """
        chosen = resolve(self, targets)
        status = self.status()
        queues: Dict[Union[int, str], Any] = {
            engine["id"]: {
                "queue": max(0, engine["assigned"] - 1),
                "completed": engine["completed"],
                "tasks": min(1, engine["assigned"]),
            }
            for engine in status["engines"]
            if engine["id"] in chosen
        }
        if isinstance(targets, int):
            queue: Dict[Union[int, str], Any] = queues.get(targets, {"queue": 0, "completed": 0, "tasks": 0})
            return queue
        queues["unassigned"] = status["tasks"]["queued"] + status["tasks"]["waiting"]
        return queues

    def wait_for_engines(
        self,
        n: Optional[int] = None,
        *,
        timeout: Optional[float] = -1,
        block: bool = True,
        interactive: Optional[bool] = None,
        widget: Optional[bool] = None,
    ) -> Any:
        """Waits until so many engines are there.

        Parameters
        ----------
        n : int, optional
            How many; default is as many as were asked of the site.
        timeout : float, optional
            Seconds to wait at most; None or a negative number is for ever.
        block : bool, default True
            Whether to wait here; else a future is returned that is done when they are there.
        interactive : bool, optional
            Whether to show how many there are; default is in IPython and notebooks.
        widget : bool, optional
            Whether to show it as a widget; default is in notebooks.

        Raises
        ------
        TimeoutError
            If they are not there in time.
        rpar.error.NoEnginesRegistered
            If no more will come: the text says what has become of the allocations.
        """
        if not block:
            return _in_thread(lambda: self.wait_for_engines(n, timeout=timeout, interactive=False))
        end = None if timeout is None or timeout < 0 else time.monotonic() + timeout
        status = self.status()
        wanted: int = status["engines_wanted"] if n is None else n
        bar = _bar(wanted, interactive, widget)
        try:
            while True:
                count = len(status["engines"])
                bar.update(min(count, wanted))
                if count >= wanted:
                    return None
                if not status["engines_coming"]:
                    raise error.NoEnginesRegistered("NoEnginesRegistered", _too_few(count, wanted, status))
                left = NEWS_WITHIN if end is None else min(NEWS_WITHIN, end - time.monotonic())
                if left <= 0:
                    raise error.TimeoutError("%d of %d engines are there" % (count, wanted))
                status = self._news(left, status)
        finally:
            bar.close()

    def _news(self, within: float, status: Dict[str, Any]) -> Dict[str, Any]:
        """The next status, or the same if there is none within so many seconds."""
        try:
            return self._status(within, status["version"])
        except TimeoutError:
            return status

    def clear(self, targets: Targets = None, block: Optional[bool] = None) -> Any:
        """Empties the namespaces of engines, all or `targets`."""
        return self.direct_view("all" if targets is None else targets, block=bool(block)).clear()

    def restart(self, targets: Targets = None) -> None:
        """Gives engines, all or `targets`, a fresh interpreter, once what they run has ended. Blocks until it is so.

        Raises
        ------
        IndexError
            If an engine is named that is not there.
        """
        from .on_engine import leave

        view = self.direct_view("all" if targets is None else targets)
        view.apply_async(leave).get(RESTART_WITHIN, return_exceptions=True)

    def shutdown(
        self,
        targets: Targets = "all",
        restart: bool = False,
        hub: bool = False,
        block: Optional[bool] = None,
        timeout: float = 60.0,
    ) -> None:
        """Ends engines, at once: what they run, runs elsewhere. With `hub` the whole cluster, as ``rpar stop`` does.

        Parameters
        ----------
        targets : int, list of int, slice or "all"
            Which engines; their nodes are given back once none is left there.
        restart : bool, default False
            Whether to give them a fresh interpreter, in place of ending them.
        hub : bool, default False
            Whether the controller ends, too; then it is all engines.
        block : bool, optional
            Whether to wait until they are gone; the whole cluster is always waited for.
        timeout : float, default 60
            Seconds to wait at most.

        Raises
        ------
        TimeoutError
            If that takes longer than `timeout` seconds.
        """
        if hub:
            self._session.stop_cluster(timeout)
            self.close()
        elif restart:
            self.restart(targets)
        else:
            leaving = set(self._session.retire(resolve(self, targets), True, timeout))
            end, status = time.monotonic() + timeout, self.status()
            while block and leaving & {engine["id"] for engine in status["engines"]}:
                if time.monotonic() >= end:
                    raise error.TimeoutError("engines are still there after %g s: %s" % (timeout, sorted(leaving)))
                status = self._news(max(0.0, end - time.monotonic()), status)


class _NoBar:
    """Shows nothing."""

    def update(self, done: int) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def _bar(wanted: int, interactive: Optional[bool], widget: Optional[bool]) -> "Bar":
    if not ("IPython" in sys.modules if interactive is None else interactive):
        return _NoBar()
    from .progress import progress_bar

    return progress_bar(wanted, "engines", widget)


def _too_few(count: int, wanted: int, status: Dict[str, Any]) -> str:
    """Why there will not be more engines."""
    what = "%d of %d engines are there, and no more will come" % (count, wanted)
    problems: List[str] = status["problems"]
    return "%s: %s" % (what, problems[-1]) if problems else "%s: `rpar status` tells of the allocations" % what


def _in_thread(function: Callable[[], Any]) -> Any:
    """A future of what the function gives, which a thread of its own calls."""
    from concurrent.futures import Future

    future: "Future[Any]" = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as problem:
            future.set_exception(problem)

    threading.Thread(target=run, name="rpar-wait", daemon=True).start()
    return future
