"""Which engines a view means."""

from typing import TYPE_CHECKING, Any, List, Sequence, Union

from . import error

if TYPE_CHECKING:
    from .client import Client

#: An engine's id, a list of them, a slice of the list of all, ``"all"``, or None, which is all too.
Targets = Union[int, Sequence[int], slice, str, None]


def resolve(client: "Client", targets: Targets) -> List[int]:
    """Ids of the engines that are meant. Asks the controller.

    Parameters
    ----------
    targets : int, list of int, slice, "all" or None
        A negative number counts from the last engine. A slice is one of the list of engines.

    Raises
    ------
    IndexError
        If an engine is named that is not there.
    rpar.error.NoEnginesRegistered
        If there are none at all.
    TypeError
        If it is something else.
    """
    if not is_targets(targets):
        raise TypeError("engines are named by an id, a list of ids, a slice or 'all', not by %r" % (targets,))
    there = client.ids
    if not there:
        what = "the cluster has no engines now: `rpar status` tells whether some are coming"
        raise error.NoEnginesRegistered("NoEnginesRegistered", what)
    if targets is None or isinstance(targets, str):
        return there
    if isinstance(targets, slice):
        return there[targets]
    wanted = [targets] if isinstance(targets, int) else list(targets)
    if isinstance(targets, int) and -len(there) <= targets < 0:
        wanted = [there[targets]]
    missing = [engine for engine in wanted if engine not in there]
    if missing:
        raise IndexError("no such engine: %s; there are %s" % (", ".join(map(str, missing)), there))
    return wanted


def is_targets(value: Any) -> bool:
    """Whether it can name engines."""
    if value is None or isinstance(value, (int, slice)):
        return not isinstance(value, bool)
    if isinstance(value, str):
        return value.lower() == "all"
    return isinstance(value, (list, tuple, range)) and all(isinstance(engine, int) for engine in value)
