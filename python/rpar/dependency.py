"""What must hold before a task runs: other tasks' ends (`Dependency`), or what an engine has (`depend`, `require`)."""

from types import ModuleType
from typing import Any, Callable, Dict, Iterable, List, Set, Union

from . import on_engine
from .asyncresult import AsyncResult

#: A result, a message id, a list of those, or a `Dependency`.
Dependencies = Union["Dependency", AsyncResult, str, Iterable[Union[AsyncResult, str]], Dict[str, Any], None]


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


def msg_ids(what: Any) -> List[str]:
    """Message ids of results and of such."""
    found: List[str] = []
    for one in [what] if isinstance(what, (str, AsyncResult)) else what:
        if isinstance(one, AsyncResult):
            found += one.msg_ids
        elif isinstance(one, str):
            found.append(one)
        else:
            raise TypeError("a dependency is a result or a message id, not %r" % (one,))
    return found


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
