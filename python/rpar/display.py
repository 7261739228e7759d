"""Shows what tasks have printed and displayed."""

import sys
from typing import TYPE_CHECKING, Any, List, Optional, TextIO

from .metadata import Metadata, glance

if TYPE_CHECKING:
    from .known import Known


def ipython() -> Any:
    """The IPython shell that this runs in; None outside of one."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def display_outputs(result: "Known", groupby: str, result_only: bool) -> None:
    """As `AsyncResult.display_outputs`, of tasks that have ended."""
    if groupby not in ("type", "engine", "order"):
        raise ValueError("groupby must be one of 'type', 'engine', 'order', not %r" % (groupby,))
    known = [glance(tasks, index) for tasks, index in result._indexes()]
    pages = Pages(labels=not result._single)
    if groupby == "engine":
        for task in known:
            if not result_only:
                pages.stream(task, "stdout")
                pages.stream(task, "stderr")
                pages.rich(task, task.outputs)
            pages.value(task)
        return
    if not result_only:
        for name in ("stdout", "stderr"):
            for task in known:
                pages.stream(task, name)
        for outputs in _rounds(known) if groupby == "order" else [[(task, task.outputs) for task in known]]:
            for task, some in outputs:
                pages.rich(task, some)
    for task in known:
        pages.value(task)


def _rounds(known: List[Metadata]) -> Any:
    """What was displayed: first the first of each task, then the second of each, and so on."""
    for place in range(max((len(task.outputs) for task in known), default=0)):
        yield [(task, task.outputs[place : place + 1]) for task in known]


class Pages:
    """Writes one after the other, with a label wherever the engine changes."""

    def __init__(self, labels: bool) -> None:
        self._labels = labels
        self._last = ""
        self._open = False

    def stream(self, task: Metadata, name: str) -> None:
        """What a task has printed to stdout or stderr."""
        self.write(name, task.engine_id, task[name])

    def write(self, name: str, engine: Optional[int], text: str) -> None:
        """What was printed to stdout or stderr on an engine."""
        if not text:
            return
        file: TextIO = sys.stdout if name == "stdout" else sys.stderr
        label = "[%s:%s]" % (name, engine) if self._labels else ""
        if label != self._last:
            text = ("\n" if self._open else "") + label + "\n" + text
        self._last, self._open = label, not text.endswith("\n")
        print(text, end="", file=file, flush=True)

    def rich(self, task: Metadata, outputs: Any) -> None:
        """What a task has displayed: only IPython can show it."""
        shell = ipython()
        if not outputs or shell is None:
            return
        if self._labels:
            print("[output:%s]" % task.engine_id)
        for output in outputs:
            extra = dict(output.get("metadata") or {}, engine=task.engine_id)
            shell.display_pub.publish(data=output["data"], metadata=extra)

    def value(self, task: Metadata) -> None:
        """What the last line of a cell gave."""
        if task.execute_result is None or ipython() is None:
            return
        from IPython.display import display

        display(task.execute_result)
