"""Imports that happen here and on engines."""

import builtins
import dis
import sys
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, List, Optional, Type

if TYPE_CHECKING:
    from .asyncresult import AsyncResult
    from .direct import DirectView

#: Instructions between those that tell what an import is bound to.
_BETWEEN = ("CACHE", "SWAP", "POP_TOP", "ROT_TWO", "ROT_THREE", "EXTENDED_ARG", "COPY", "NOP", "PRECALL")


class SyncImports:
    """While it is entered, imports of the function or module that entered it are executed by a view's engines too."""

    def __init__(self, view: "DirectView", quiet: bool) -> None:
        self._view = view
        self._quiet = quiet
        self._results: List["AsyncResult"] = []
        self._frame: Optional[FrameType] = None

    def __enter__(self) -> None:
        self._frame = sys._getframe(1)
        self._import = builtins.__import__
        builtins.__import__ = self._import_both

    def __exit__(
        self, kind: Optional[Type[BaseException]], problem: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        builtins.__import__ = self._import
        self._frame = None
        if kind is None:
            for result in self._results:
                result.get()

    def _import_both(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        frame = sys._getframe(1)
        module = self._import(name, globals, locals, fromlist, level)
        # not what modules import in their turn, and nothing relative: the engines have no such package
        if frame is self._frame and level == 0:
            statement = import_statement(frame, name, fromlist)
            if not self._quiet:
                print("%s on engine(s)" % statement.replace("import", "importing", 1))
            with self._view.temp_flags(block=False):
                self._results.append(self._view.execute(statement))
        return module


def import_statement(frame: FrameType, name: str, fromlist: Any) -> str:
    """The import statement that a frame is at, as text, with the names that it binds."""
    following = iter(
        instruction
        for instruction in dis.get_instructions(frame.f_code)
        if instruction.offset > frame.f_lasti and instruction.opname not in _BETWEEN
    )
    if not fromlist:
        bound = next((step for step in following if step.opname != "IMPORT_FROM"), None)
        alias = bound.argval if bound is not None and bound.opname.startswith("STORE_") else name
        return "import %s" % name if alias == name.partition(".")[0] else "import %s as %s" % (name, alias)
    wanted = []
    for key in fromlist:
        step = next((step for step in following if step.opname.startswith("STORE_")), None)
        alias = step.argval if step is not None and key != "*" else key
        wanted.append(key if alias == key else "%s as %s" % (key, alias))
    return "from %s import %s" % (name, ", ".join(wanted))
