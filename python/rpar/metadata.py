"""What is known of a task beside its result."""

from typing import TYPE_CHECKING, Any, Dict, Optional

from .tasks import Failed

if TYPE_CHECKING:
    from datetime import datetime

    from .tasks import Tasks

#: All that can be asked for, before anything is known.
EMPTY: Dict[str, Any] = {
    "msg_id": None,
    "submitted": None,
    "started": None,
    "completed": None,
    "received": None,
    "engine_uuid": None,
    "engine_id": None,
    "follow": None,
    "after": None,
    "status": None,
    "execute_input": None,
    "execute_result": None,
    "error": None,
    "stdout": "",
    "stderr": "",
    "outputs": (),
    "data": None,
    "label": None,
    "node": None,
    "attempts": 0,
}

#: How a task has ended, by the name of its status; else it is an error.
STATUS = {"Ok": "ok", "Cancelled": "aborted"}


class Metadata(Dict[str, Any]):
    """What is known of a task: a dict whose keys are attributes too, and which has no others.

    Keys
    ----
    msg_id : str
    submitted, received : datetime
        By this process's clock, in UTC.
    started, completed : datetime
        By the clock of the node where it ended, in UTC: the last try at it.
    engine_id : int
        The engine where it ended.
    engine_uuid : str
        Node and id in one word. Within a cluster, no other engine ever has it.
    node : str
        The node that is on.
    attempts : int
        How often it was sent to an engine; 255 stands for more.
    status : str
        ``ok``, ``error`` or ``aborted``; None until it has ended.
    error : RemoteError
        Why it did not end well.
    stdout, stderr : str
        What it has printed.
    """

    def __init__(self, msg_id: str) -> None:
        super().__init__(EMPTY, msg_id=msg_id, outputs=[], data={})

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            raise AttributeError(key) from None

    def __setattr__(self, key: str, value: Any) -> None:
        if key not in self:
            raise AttributeError(key)
        self[key] = value

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in self:
            raise KeyError(key)
        super().__setitem__(key, value)


def metadata(tasks: "Tasks", index: int) -> Metadata:
    """What is known of a task now. The same object each time, which then knows more."""
    known = tasks.metadata.get(index)
    if known is None:
        known = tasks.metadata.setdefault(index, begin(tasks, index))
    return _look(known, tasks, index)


def glance(tasks: "Tasks", index: int) -> Metadata:
    """The same, without keeping it: a hundred thousand of them take 100 MB."""
    known = tasks.metadata.get(index)
    if known is not None:
        return metadata(tasks, index)
    return _look(begin(tasks, index), tasks, index)


def begin(tasks: "Tasks", index: int) -> Metadata:
    """What is known of a task from the start."""
    known = Metadata(tasks.client._history.name(tasks.first + index))
    known["submitted"] = moment(tasks.submitted)
    known["after"], known["follow"] = tasks.after, tasks.follow
    return known


def _look(known: Metadata, tasks: "Tasks", index: int) -> Metadata:
    if known["status"] is not None:
        return known
    ended = tasks.group.has_ended(index)
    # what a task has printed comes before its end
    output = tasks.group.output(index)
    known["stdout"], known["stderr"] = (text.decode("utf-8", "replace") for text in output)
    if ended:
        _finish(known, tasks, index)
    return known


def _finish(known: Metadata, tasks: "Tasks", index: int) -> None:
    ended = tasks.group.outcome(index)
    known["submitted"], known["received"] = moment(ended.submitted), moment(ended.received)
    known["engine_id"], known["node"], known["attempts"] = ended.engine, ended.node, ended.attempts
    if ended.engine is not None:
        known["started"], known["completed"] = moment(ended.started), moment(ended.completed)
        known["engine_uuid"] = "%s-%d" % (ended.node, ended.engine)
    if ended.status != "Ok":
        value = tasks.fetch(index)
        known["error"] = value.error if isinstance(value, Failed) else None
    # last: it says that the rest is there
    known["status"] = STATUS.get(ended.status, "error")


def moment(seconds: float) -> Optional["datetime"]:
    """A time in seconds since 1970 as a datetime in UTC; None for none."""
    from datetime import datetime, timezone

    return datetime.fromtimestamp(seconds, timezone.utc) if seconds else None
