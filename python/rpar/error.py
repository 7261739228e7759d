"""What can go wrong. Names and meaning are those of ``ipyparallel.error``."""

import builtins
from typing import Any, Dict, List, Optional, Sequence, Tuple

#: The built-in one: a result was not there within the time that was given.
TimeoutError = builtins.TimeoutError

#: One failure of a `CompositeError`: name and text of the exception, traceback, where it happened.
Entry = Tuple[str, str, str, Dict[str, Any]]


class Error(Exception):
    """Base of all exceptions of this package but `TimeoutError`."""


class ConnectionError(Error, builtins.ConnectionError):
    """The cluster does not run, cannot be reached, or has gone away. The text says what to do."""


class ClusterError(Error):
    """A cluster cannot be started or stopped as asked. The text is that of the command ``rpar``, with cause and hint."""


class RemoteTraceback(Exception):
    """Shows the traceback of another process, as the cause of the exception that stands for it here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return '\n"""\n' + self.text.rstrip("\n") + '\n"""'


class RemoteError(Error):
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
        return [_place(self.engine_info)] + (self.traceback or "No traceback available").splitlines()

    def _render_traceback_(self) -> List[str]:
        # IPython shows this in place of the local traceback
        return self.render_traceback()

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

    def __init__(self, message: str, errors: Sequence[RemoteError]) -> None:
        Error.__init__(self, message)
        self.msg = message
        self.errors = list(errors)
        self.elist: List[Entry] = [(e.ename, e.evalue, e.traceback, e.engine_info) for e in errors]
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
            lines += [_place(info) + ":"] + (traceback or "No traceback available").splitlines() + [""]
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


def _place(engine_info: Dict[str, Any]) -> str:
    if engine_info.get("engine_id") is None:
        return "[Engine Exception]"
    return "[%s:%s]" % (engine_info["engine_id"], engine_info.get("method", "apply"))
