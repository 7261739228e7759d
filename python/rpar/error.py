"""What can go wrong. Names and meaning are those of ``ipyparallel.error``."""

import builtins
import os
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple, TypeVar, Union

#: The built-in one: a result was not there within the time that was given.
TimeoutError = builtins.TimeoutError

#: One failure of a `CompositeError`: name and text of the exception, traceback, where it happened.
Entry = Tuple[str, str, str, Dict[str, Any]]


class IPythonError(Exception):
    """The name of `Error` that older scripts know."""


class Error(IPythonError):
    """Base of all exceptions of this package but `TimeoutError`."""


class KernelError(Error):
    """Something went wrong with what runs tasks, or in them."""


class ConnectionError(Error, builtins.ConnectionError):
    """The cluster does not run, cannot be reached, or has gone away. The text says what to do."""


class ClusterError(Error):
    """A cluster cannot be started or stopped as asked. The text is that of the command ``rpar``, with cause and hint."""


class ProtocolError(KernelError):
    """The other side does not speak as expected."""


class IdInUse(KernelError):
    """An engine or a cluster of that name is there already."""


class ResultNotCompleted(KernelError):
    """A result was asked for that is not there."""


class ResultAlreadyRetrieved(KernelError):
    """A result was asked for that was given away."""


class PendingResultError(KernelError):
    """A result is not there yet."""


class AbortedPendingDependency(KernelError):
    """A task was not run, because one that it was to run after was not."""


class TaskRejectError(KernelError):
    """A function raises it where its engine lacks what it needs."""


class RemoteTraceback(Exception):
    """Shows the traceback of another process, as the cause of the exception that stands for it here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return '\n"""\n' + self.text.rstrip("\n") + '\n"""'


class RemoteError(KernelError):
    """A task did not end well; mostly, because the function raised an exception.

    Attributes
    ----------
    ename, evalue : str
        Class name and text of the exception.
    traceback : str
        The traceback on the engine, or the last lines that a crashed interpreter wrote.
    engine_info : dict
        ``engine_id`` (int, or None if it ran nowhere) and ``method``, what was called.
    """

    def __init__(
        self,
        ename: str,
        evalue: str,
        traceback: str = "",
        engine_info: Optional[Dict[str, Any]] = None,
        pickled: bytes = b"",
    ) -> None:
        super().__init__(ename, evalue)
        self.ename = ename
        self.evalue = evalue
        self.traceback = traceback
        self.engine_info = engine_info or {}
        self._pickled = pickled
        if traceback:
            self.__cause__ = RemoteTraceback(traceback)

    @property
    def exception(self) -> Optional[BaseException]:
        """The exception that the function raised; None if it could not travel."""
        if not self._pickled:
            return None
        import pickle

        try:
            exception = pickle.loads(self._pickled)
        except Exception:
            return None
        return exception if isinstance(exception, BaseException) else None

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.ename, self.evalue, self.traceback, self.engine_info, self._pickled)

    def __str__(self) -> str:
        return "%s %s: %s" % (_place(self.engine_info), self.ename, self.evalue)

    def __repr__(self) -> str:
        engine = self.engine_info.get("engine_id", " ")
        return "<%s[%s]:%s(%s)>" % (type(self).__name__, engine, self.ename, self.evalue)

    def render_traceback(self) -> List[str]:
        """The remote traceback as a list of lines."""
        return [_place(self.engine_info)] + _lines(self.traceback)

    def _render_traceback_(self) -> List[str]:
        # IPython shows this in place of the local traceback
        return coloured(self.render_traceback())

    def print_traceback(self, excid: Optional[int] = None) -> None:
        """Prints the remote traceback."""
        print("\n".join(self.render_traceback()))


class EngineError(RemoteError):
    """What ran the task died: the interpreter crashed or ended itself, or the engine was lost."""


class TaskTimeout(RemoteError):
    """The task ran longer than its time limit and was ended."""


class TaskAborted(RemoteError):
    """The task was cancelled, before or while it ran."""


class NoEnginesRegistered(RemoteError):
    """No engine can run the task, and none is coming."""


class UnmetDependency(RemoteError):
    """The task needs something that the engine does not have."""


class ImpossibleDependency(UnmetDependency):
    """The task needs something that no engine has, or it was to run after tasks that ended otherwise."""


class DependencyTimeout(ImpossibleDependency):
    """What the task needs was not there in time."""


class InvalidDependency(ImpossibleDependency):
    """The task was to run after tasks that are not known."""


class CompositeError(RemoteError):
    """One or more tasks of a map did not end well.

    Attributes
    ----------
    elist : list of (ename, evalue, traceback, engine_info)
        All failures, in the order of their tasks.
    errors : list of RemoteError
        The same as exceptions.
    """

    #: how many tracebacks are shown
    tb_limit = 4

    def __init__(self, message: str, errors: Sequence[Union[RemoteError, Entry]]) -> None:
        Error.__init__(self, message)
        self.msg = message
        self.errors = [e if isinstance(e, RemoteError) else RemoteError(*e) for e in errors]
        self.elist: List[Entry] = [(e.ename, e.evalue, e.traceback, e.engine_info) for e in self.errors]
        self.ename = "CompositeError"
        self.evalue = message
        self.engine_info = {}
        self._pickled = b""
        self.traceback = "\n".join(self.render_traceback())
        self.__cause__ = RemoteTraceback(self.traceback)

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.msg, self.errors)

    def __str__(self) -> str:
        lines = [self.msg] + ["%s%s: %s" % (_place(i), n, v) for n, v, _, i in self.elist[: self.tb_limit]]
        if len(self.elist) > self.tb_limit:
            lines.append(".... %d more exceptions ..." % (len(self.elist) - self.tb_limit))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return "CompositeError(%d)" % len(self.elist)

    def render_traceback(self, excid: Optional[int] = None) -> List[str]:
        """The first few tracebacks, or that of one failure, as a list of lines."""
        chosen = self.elist[: self.tb_limit] if excid is None else [self._entry(excid)]
        lines: List[str] = []
        for _, _, traceback, info in chosen:
            lines += [_place(info) + ":"] + _lines(traceback) + [""]
        if excid is None and len(self.elist) > self.tb_limit:
            lines.append("... %d more exceptions ..." % (len(self.elist) - self.tb_limit))
        return lines

    def print_traceback(self, excid: Optional[int] = None) -> None:
        """Prints the first few tracebacks, or that of one failure."""
        print("\n".join(self.render_traceback(excid)))

    def raise_exception(self, excid: int = 0) -> None:
        """Raises one of the failures."""
        self._entry(excid)
        raise self.errors[excid]

    def _entry(self, excid: int) -> Entry:
        try:
            return self.elist[excid]
        except IndexError:
            raise IndexError("an exception with index %d does not exist" % excid) from None


class AlreadyDisplayedError(RemoteError):
    """Failures that were shown while their tasks ran: told again in one line.

    Attributes
    ----------
    original_error : CompositeError
    """

    def __init__(self, original_error: CompositeError) -> None:
        super().__init__(original_error.ename, original_error.evalue)
        self.original_error = original_error
        self.n = len(original_error.elist)

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.original_error,)

    def __repr__(self) -> str:
        return "<%s(%s)>" % (type(self).__name__, self)

    def __str__(self) -> str:
        return "%d %s" % (self.n, "error" if self.n == 1 else "errors")

    def render_traceback(self) -> List[str]:
        """That line."""
        return [str(self)]


Results = TypeVar("Results", Dict[Any, Any], List[Any])


def collect_exceptions(results: Results, method: str = "unspecified") -> Results:
    """Returns the results, if no `RemoteError` is among them.

    Raises
    ------
    CompositeError
        Of all that are; those of a `CompositeError` count one by one.
    """
    failed: List[RemoteError] = []
    for value in results.values() if isinstance(results, dict) else results:
        if isinstance(value, CompositeError):
            failed += value.errors
        elif isinstance(value, RemoteError):
            failed.append(value)
    if failed:
        raise CompositeError("one or more exceptions raised in: %s" % method, failed)
    return results


def wrap_exception(engine_info: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    """The exception that is being handled, as a dict for `unwrap_exception`."""
    import traceback

    kind, value, trace = sys.exc_info()
    return {
        "status": "error",
        "traceback": traceback.format_exception(kind, value, trace),
        "ename": kind.__name__ if kind is not None else "None",
        "evalue": str(value),
        "engine_info": engine_info or {},
    }


def unwrap_exception(content: Dict[str, Any]) -> RemoteError:
    """The exception for a dict of ``ename``, ``evalue``, ``traceback`` (list of str) and ``engine_info``."""
    trace = "\n".join(content["traceback"])
    return RemoteError(content["ename"], content["evalue"], trace, content.get("engine_info", {}))


def coloured(lines: List[str]) -> List[str]:
    """The lines of a traceback, with colours if they are shown on a terminal that has them."""
    if not _has_colours():
        return lines
    return [_colour(line) + line + "\x1b[0m" if _colour(line) else line for line in lines]


def _colour(line: str) -> str:
    if line.startswith("["):
        return "\x1b[1;31m"
    if line.startswith("  File "):
        return "\x1b[36m"
    return "" if line.startswith((" ", "Traceback ")) else "\x1b[31m"


def _has_colours() -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if str(getattr(shell, "colors", "")).lower() == "nocolor":
        return False
    try:
        return sys.stdout.isatty()
    except Exception:
        return False


def _lines(traceback: str) -> List[str]:
    return (traceback or "No traceback available").splitlines()


def _place(engine_info: Dict[str, Any]) -> str:
    if engine_info.get("engine_id") is None:
        return "[Engine Exception]"
    return "[%s:%s]" % (engine_info["engine_id"], engine_info.get("method", "apply"))
