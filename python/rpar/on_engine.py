"""Functions that run on the engines, which need not have this package: they are sent by value.

They use the standard library alone, and import it where they need it. Each finds the user's namespace in ``__main__``.
"""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

#: Texts that were executed on an engine are kept for tracebacks, so many at most.
SOURCES = 256

#: Makes an `ExecuteReply` where it is unpickled, by this package of the client's.
_REPLY = "__import__('rpar.on_engine', fromlist=['ExecuteReply']).ExecuteReply(*state)"


def namespace() -> Dict[str, Any]:
    """The user's namespace."""
    import __main__

    return vars(__main__)


def call(name: str, *args: Any, **kwargs: Any) -> Any:
    """Calls a function of the namespace."""
    return eval(name, namespace())(*args, **kwargs)


def map_part(function: Callable[..., Any], *parts: Sequence[Any]) -> List[Any]:
    """Maps over an engine's parts of the sequences."""
    return list(map(function, *parts))


def push(names: Dict[str, Any]) -> None:
    """Puts values into the namespace."""
    namespace().update(names)


def pull(names: Any) -> Any:
    """A value of the namespace by its name (or an expression), or a list of them."""
    space = namespace()
    return eval(names, space) if isinstance(names, str) else [eval(name, space) for name in names]


def has(module: str) -> None:
    """Imports a module: raises if it is not there."""
    __import__(module)


def dilled(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls a function, and lets dill pickle what it gives, if nothing else can."""
    import pickle

    import cloudpickle

    value = function(*args, **kwargs)
    for dumps in (pickle.dumps, cloudpickle.dumps):
        try:
            dumps(value, 5)
            return value
        except Exception:
            continue
    import dill

    return Dilled(dill.dumps(value, protocol=5, recurse=True))


class Dilled:
    """Becomes by dill what it was, where it is unpickled."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __call__(self) -> None:
        """It stands for functions too."""

    def __reduce__(self) -> Tuple[Any, ...]:
        import dill

        return dill.loads, (self.data,)


def clear() -> None:
    """Takes everything out of the namespace that a fresh interpreter does not have."""
    space = namespace()
    for name in [name for name in space if not (name.startswith("__") and name.endswith("__"))]:
        del space[name]


def leave() -> None:
    """Ends the interpreter: a fresh one takes its place."""
    import os

    os._exit(0)


def execute(code: str, filename: Optional[str], silent: bool) -> Optional["ExecuteReply"]:
    """Executes a text in the namespace; unless `silent`, answers what its last expression gives."""
    import ast
    import sys

    count = sys.__dict__["_rpar_executed"] = sys.__dict__.get("_rpar_executed", 0) + 1
    filename = filename or "<execute %d>" % count
    keep_source(code, filename)
    tree, space = ast.parse(code, filename), namespace()
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, filename, "exec"), space)
    if last is None:
        return None
    assert isinstance(last, ast.Expr)
    value = eval(compile(ast.Expression(last.value), filename, "eval"), space)
    if value is not None:
        space["_"] = value
    if silent or value is None or code.rstrip().endswith(";"):
        return None
    return ExecuteReply(count, rendered(value))


def keep_source(code: str, filename: str) -> None:
    """Lets tracebacks and ``inspect`` show lines of what was executed."""
    import linecache

    if filename.startswith("<"):
        linecache.cache[filename] = (len(code), None, code.splitlines(True), filename)
        ours = [name for name in linecache.cache if name.startswith("<execute ")]
        for name in ours[:-SOURCES]:
            linecache.cache.pop(name, None)


def rendered(value: Any) -> Dict[str, Any]:
    """What notebooks show of a value, by MIME type."""
    forms = (
        ("html", "text/html"),
        ("markdown", "text/markdown"),
        ("latex", "text/latex"),
        ("svg", "image/svg+xml"),
        ("png", "image/png"),
        ("jpeg", "image/jpeg"),
    )
    data: Dict[str, Any] = {"text/plain": repr(value)}
    for form, mime in forms:
        method = getattr(type(value), "_repr_%s_" % form, None)
        shown = None
        try:
            shown = method(value) if method else None
        except Exception:
            continue  # its text will do
        if shown is not None:
            data[mime] = shown
    return data


class ExecuteReply:
    """What the last expression gave that an engine executed.

    Attributes
    ----------
    execution_count : int
        How many texts that engine's interpreter had executed then.
    data : dict
        What to show of it, by MIME type; ``text/plain`` is always there.
    """

    def __init__(self, execution_count: int, data: Dict[str, Any]) -> None:
        self.execution_count = execution_count
        self.data = data

    def __reduce__(self) -> Tuple[Any, ...]:
        return eval, (_REPLY, {"state": (self.execution_count, self.data)})

    def __repr__(self) -> str:
        text: str = self.data["text/plain"]
        short = text if len(text) <= 32 else text[:29] + "..."
        return "<ExecuteReply[%d]: %s>" % (self.execution_count, short)

    def _repr_mimebundle_(self, **_: Any) -> Dict[str, Any]:
        return self.data


class UnmetDependency(Exception):
    """What a task depends on is not there on this engine."""


def require(*modules: str, **objects: Any) -> bool:
    """Imports modules into the namespace, and puts objects there."""
    space = namespace()
    for name in modules:
        try:
            exec("import %s" % name, space)
        except ImportError as problem:
            raise UnmetDependency("%s: %s" % (name, problem)) from problem
    space.update(objects)
    return True


class dependent:
    """A function with what must be true before it runs."""

    def __init__(self, f: Callable[..., Any], df: Callable[..., Any], /, *dargs: Any, **dkwargs: Any) -> None:
        self.f = f
        self.df = df
        self.dargs = dargs
        self.dkwargs = dkwargs
        self.__name__ = getattr(f, "__name__", "f")

    def check_dependency(self) -> None:
        """Raises `UnmetDependency` if what must be true is not."""
        if self.df(*self.dargs, **self.dkwargs) is False:
            raise UnmetDependency("%s gave False" % getattr(self.df, "__name__", "the dependency"))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.f(*args, **kwargs)

    def checked(self, *args: Any, **kwargs: Any) -> Any:
        """What is called on the engines."""
        f: Any = self
        names: List[str] = []
        while isinstance(f, dependent):
            f.check_dependency()
            if f.df is require:
                names += [*(module.partition(".")[0] for module in f.dargs), *f.dkwargs]
            f = f.f
        scope = getattr(f, "__globals__", {})
        if scope.get("__name__") == "__main__":
            # such a function got the namespace's names before what it requires was there
            scope.update((name, namespace()[name]) for name in names)
        return f(*args, **kwargs)
