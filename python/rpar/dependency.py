"""What must hold before a task runs: other tasks' ends (`Dependency`), or what an engine has (`depend`, `require`)."""

from types import ModuleType
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Set, Tuple, Union

from . import error, on_engine

if TYPE_CHECKING:
    from .asyncresult import AsyncResult
    from .client import Client

#: A result, a message id, a list of those, or a `Dependency`.
Dependencies = Union["Dependency", "AsyncResult", str, Iterable[Union["AsyncResult", str]], Dict[str, Any], None]


class Dependency(Set[str]):
    """Message ids of tasks that others depend on, and how those must have ended.

    Parameters
    ----------
    dependencies : AsyncResult or str or list of those or dict
        Results or message ids; or what `as_dict` gave.
    all : bool, default True
        Whether all of them must have ended so, or any.
    success, failure : bool, default True and False
        Which ends will do.

    Raises
    ------
    ValueError
        If neither success nor failure will do.
    TypeError
        If something is no result and no message id.
    """

    def __init__(
        self, dependencies: Dependencies = (), all: bool = True, success: bool = True, failure: bool = False
    ) -> None:
        if isinstance(dependencies, dict):
            all = dependencies.get("all", True)
            success = dependencies.get("success", success)
            failure = dependencies.get("failure", failure)
            dependencies = dependencies.get("dependencies", [])
        if not (success or failure):
            raise ValueError("a dependency is met by success, by failure, or by both: give at least one")
        super().__init__(msg_ids(dependencies))
        self.all = all
        self.success = success
        self.failure = failure

    @property
    def on(self) -> str:
        """Which ends will do: ``success``, ``failure`` or ``any``."""
        return "any" if self.success and self.failure else "success" if self.success else "failure"

    def check(self, completed: Set[str], failed: Set[str] = frozenset()) -> bool:  # type: ignore[assignment]
        """Whether it is met, by the message ids of what ended well and of what did not."""
        met = (completed if self.success else set()) | (failed if self.failure else set())
        return not self or (self.issubset(met) if self.all else not self.isdisjoint(met))

    def unreachable(self, completed: Set[str], failed: Set[str] = frozenset()) -> bool:  # type: ignore[assignment]
        """Whether it cannot be met any more."""
        against = (completed if not self.success else set()) | (failed if not self.failure else set())
        return bool(self) and (not self.isdisjoint(against) if self.all else self.issubset(against))

    def as_dict(self) -> Dict[str, Any]:
        """The same as a dict of plain values."""
        return {"dependencies": list(self), "all": self.all, "success": self.success, "failure": self.failure}


def dependency(what: Dependencies) -> Dependency:
    """What a user gives as a dependency, as one.

    Raises
    ------
    TypeError
        If something is no result and no message id.
    """
    return what if isinstance(what, Dependency) else Dependency(() if what is None else what)


def is_dependency(what: Any) -> bool:
    """Whether it can be what a task depends on."""
    try:
        dependency(what)
    except (TypeError, ValueError):
        return False
    return True


def msg_ids(what: Any) -> List[str]:
    """Message ids of results and of such."""
    found: List[str] = []
    for one in what if isinstance(what, (list, tuple, set, frozenset)) else [what]:
        if isinstance(one, str):
            found.append(one)
        elif hasattr(type(one), "msg_ids"):
            found += one.msg_ids
        else:
            raise TypeError("a dependency is a result or a message id, not %r" % (one,))
    return found


def after_options(client: "Client", dependency: Dependency) -> Dict[str, Any]:
    """What `Options` are to say, so that tasks wait for those of a dependency.

    Raises
    ------
    rpar.error.InvalidDependency
        If a message id is not of this client, or nobody has its result any more.
    """
    after: List[Tuple[int, int]] = []
    for result, places in results_of(client, dependency):
        runs = client._session.task_ids(result._group)
        if len(places) == len(result._group):
            after += runs
        else:
            numbers = [number for first, count in runs for number in range(first, first + count)]
            after += [(numbers[place], 1) for place in places]
    return {"after": after, "on": dependency.on, "any": not dependency.all}


def engines_to_follow(client: "Client", dependency: Dependency) -> List[int]:
    """Waits for the tasks of a dependency to end, and tells the engines where it is met.

    Raises
    ------
    rpar.error.InvalidDependency
        If a message id is not of this client, or nobody has its result any more.
    rpar.error.ImpossibleDependency
        If it is not met, or on no engine as all are to be followed and ran on several.
    """
    completed: Set[str] = set()
    failed: Set[str] = set()
    engines: Dict[str, int] = {}
    for result, places in results_of(client, dependency):
        result.wait()
        names = result.msg_ids
        for place in places:
            ended = result._group.outcome(place)
            (completed if ended.status == "Ok" else failed).add(names[place])
            if ended.engine is not None:
                engines[names[place]] = ended.engine
    if not dependency.check(completed, failed):
        raise _impossible(
            "the tasks to be followed did not end as asked: %d well, %d not" % (len(completed), len(failed))
        )
    met = (completed if dependency.success else set()) | (failed if dependency.failure else set())
    there = sorted({engine for name, engine in engines.items() if name in met})
    if dependency.all and len(there) > 1:
        raise _impossible("the tasks to be followed ran on several engines: %s" % there)
    return there


def results_of(client: "Client", names: Iterable[str]) -> Iterator[Tuple["AsyncResult", List[int]]]:
    """The results that message ids belong to, and which of their tasks are meant."""
    numbers: Dict[int, str] = {}
    for name in names:
        session_id, _, number = name.rpartition("_")
        if session_id != client._session_id or not number.isdigit():
            raise error.InvalidDependency("InvalidDependency", "no task of this client is called %s" % name)
        numbers[int(number)] = name
    left = sorted(numbers, reverse=True)
    while left:
        found = client._history.find(numbers[left[-1]])
        if found is None:
            what = "nobody has the result of task %s any more: keep it until what depends on it is submitted"
            raise error.InvalidDependency("InvalidDependency", what % numbers[left[-1]])
        result, place = found
        first = left[-1] - place
        places = []
        while left and left[-1] < first + len(result._group):
            places.append(left.pop() - first)
        yield result, places


def _impossible(what: str) -> error.ImpossibleDependency:
    return error.ImpossibleDependency("ImpossibleDependency", what)


class depend:
    """Decorator: the function runs only on an engine where ``f(*args, **kwargs)`` is true.

    If it is false there, or raises ``UnmetDependency``, the task fails as one whose dependency is not met.

    Examples
    --------
    >>> @rpar.depend(os.path.exists, "/scratch/data")
    ... def count(): ...
    """

    def __init__(self, f: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        self.f = f
        self.args = args
        self.kwargs = kwargs

    def __call__(self, f: Callable[..., Any]) -> "on_engine.dependent":
        return on_engine.dependent(f, self.f, *self.args, **self.kwargs)


def require(*objects: Any, **mapping: Any) -> depend:
    """Decorator: modules are imported on the engine, and objects put into its namespace, before the function runs.

    Parameters
    ----------
    *objects : modules, their names, functions or classes
        Functions and classes are known there by their ``__name__``.
    **mapping
        Other objects, by the name that they get.

    Examples
    --------
    >>> @rpar.require("numpy")
    ... def norm(a):
    ...     return numpy.linalg.norm(a)
    """
    modules: List[str] = []
    for each in objects:
        if isinstance(each, ModuleType):
            each = each.__name__
        if isinstance(each, str):
            modules.append(each)
        elif hasattr(each, "__name__"):
            mapping[each.__name__] = each
        else:
            raise TypeError("what is no module, function or class needs a name: require(name=%r)" % (each,))
    return depend(on_engine.require, *modules, **mapping)
