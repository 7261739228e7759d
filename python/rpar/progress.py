"""Shows how far tasks are: on a terminal, in a notebook, or in lines of text."""

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any, Optional, Protocol, TextIO

from .display import ipython
from .futures import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION

if TYPE_CHECKING:
    from .asyncresult import AsyncResult

#: Seconds between two lines of text, at least.
LINE_SECONDS = 1.0

#: Cells of a bar when the terminal has room for it.
BAR_CELLS = 30


class Bar(Protocol):
    """What shows progress."""

    def update(self, done: int) -> None:
        """So many items are done, of all."""

    def close(self) -> None:
        """It is over, or nobody waits any more."""


def watch(
    result: "AsyncResult", interval: float, timeout: Optional[float], widget: Optional[bool], return_when: str
) -> None:
    """As `AsyncResult.wait_interactive`."""
    if return_when not in (ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION):
        raise ValueError("Unrecognized return_when=%r" % (return_when,))
    end = None if timeout is None or timeout < 0 else time.monotonic() + timeout
    bar = progress_bar(len(result), result._fname, widget)
    try:
        while not _is_over(result, interval if end is None else min(interval, end - time.monotonic()), return_when):
            bar.update(result.progress)
            if end is not None and time.monotonic() >= end:
                return
    finally:
        bar.update(result.progress)
        bar.close()


def _is_over(result: "AsyncResult", seconds: float, return_when: str) -> bool:
    """Waits for so many seconds at most, and tells whether there is nothing more to wait for."""
    seconds = max(0.0, seconds)
    if return_when == ALL_COMPLETED:
        return bool(result.wait(seconds))
    done, pending = result.wait(seconds, return_when)
    if return_when == FIRST_COMPLETED:
        return bool(done)
    return not pending or any(not part.successful() for part in done)


def progress_bar(total: int, name: str, widget: Optional[bool] = None) -> Bar:
    """What shows the progress of `total` items here.

    Parameters
    ----------
    widget : bool, optional
        Whether to show it as a notebook does; by default, in a notebook.
    """
    if widget is None:
        widget = getattr(ipython(), "kernel", None) is not None
    if widget:
        return _notebook_bar(total, name)
    file = sys.stderr
    if not _is_terminal(file):
        return LineBar(total, name, file)
    try:
        from tqdm import tqdm
    except ImportError:
        return TerminalBar(total, name, file)
    return TqdmBar(tqdm(total=total, desc=name, unit="tasks", file=file))


def _notebook_bar(total: int, name: str) -> Bar:
    try:
        import ipywidgets  # noqa: F401
        from tqdm.notebook import tqdm_notebook
    except ImportError:
        return NotebookBar(total, name)
    return TqdmBar(tqdm_notebook(total=total, desc=name, unit="tasks"))


def _is_terminal(file: TextIO) -> bool:
    try:
        return file.isatty() and os.environ.get("TERM") != "dumb"
    except Exception:
        return False


class TqdmBar:
    """A bar of tqdm."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def update(self, done: int) -> None:
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


class Pace:
    """How many of how many items are done, and since when."""

    def __init__(self, total: int, name: str) -> None:
        self.total = total
        self.name = name
        self.done = 0
        self.begin = time.monotonic()

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.done / self.total if self.total else 1.0

    def text(self) -> str:
        """Counts, time, and what is left of it at this pace."""
        elapsed = time.monotonic() - self.begin
        text = "%d/%d tasks, %s" % (self.done, self.total, clock(elapsed))
        if 0 < self.done < self.total:
            text += ", %s left" % clock(elapsed / self.done * (self.total - self.done))
        return text


class TerminalBar:
    """A bar on a terminal, on one line that is written again and again."""

    def __init__(self, total: int, name: str, file: TextIO) -> None:
        self._pace = Pace(total, name)
        self._file = file
        self.update(0)

    def update(self, done: int) -> None:
        pace = self._pace
        pace.done = done
        head, tail = "%s: %3d%% " % (pace.name, int(100 * pace.share)), " " + pace.text()
        # the last cell stays empty: some terminals begin a new line once it is written to
        columns = shutil.get_terminal_size().columns - 1
        cells = min(BAR_CELLS, columns - len(head) - len(tail))
        line = head + self._cells(cells) + tail if cells >= 5 else (head + tail.lstrip())[: max(columns, 1)]
        self._file.write("\r\x1b[K" + line)
        self._file.flush()

    def _cells(self, cells: int) -> str:
        full = int(self._pace.share * cells)
        if (self._file.encoding or "").lower().replace("-", "") == "utf8":
            bar, rest = "█" * full, "░" * (cells - full)
        else:
            bar, rest = "#" * full, "." * (cells - full)
        return bar + rest if os.environ.get("NO_COLOR") else "\x1b[32m" + bar + "\x1b[0m" + rest

    def close(self) -> None:
        self._file.write("\n")
        self._file.flush()


class LineBar:
    """Lines of text, where they cannot be written again: a line for each tenth, but not more than one a second."""

    def __init__(self, total: int, name: str, file: TextIO) -> None:
        self._pace = Pace(total, name)
        self._file = file
        self._tenth = 0
        self._written = time.monotonic()

    def update(self, done: int) -> None:
        self._pace.done = done
        tenth, now = int(self._pace.share * 10), time.monotonic()
        if tenth > self._tenth and now - self._written >= LINE_SECONDS:
            self._tenth, self._written = tenth, now
            self._write()

    def close(self) -> None:
        self._write()

    def _write(self) -> None:
        self._file.write("%s: %d%%, %s\n" % (self._pace.name, int(100 * self._pace.share), self._pace.text()))
        self._file.flush()


class NotebookBar:
    """A bar of HTML in a notebook, where there are no widgets."""

    def __init__(self, total: int, name: str) -> None:
        from IPython.display import display

        self._pace = Pace(total, name)
        self._shown = display(self._content(), raw=True, display_id=True)

    def update(self, done: int) -> None:
        if done != self._pace.done:
            self._pace.done = done
            self._shown.update(self._content(), raw=True)

    def close(self) -> None:
        self._shown.update(self._content(), raw=True)

    def _content(self) -> Any:
        from html import escape

        pace = self._pace
        bar = '<progress value="%d" max="%d"></progress>' % (pace.done, max(pace.total, 1))
        return {
            "text/plain": "%s: %s" % (pace.name, pace.text()),
            "text/html": "%s: %s %s" % (escape(pace.name), bar, escape(pace.text())),
        }


def clock(seconds: float) -> str:
    """A span of time as people read it: ``1:05``, ``2:00:10``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return "%d:%02d:%02d" % (hours, minutes, rest) if hours else "%d:%02d" % (minutes, rest)
