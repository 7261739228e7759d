"""The direct view: addresses engines, and their namespaces."""

import os
from functools import partial
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    ContextManager,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from . import on_engine, partition, serialize
from .decorators import name_of
from .imports import SyncImports
from .reference import callable_of
from .targets import Targets, is_targets, resolve
from .view import View, check_map

if TYPE_CHECKING:
    from ._rpar import Function, Group
    from .asyncresult import AsyncMapResult, AsyncResult
    from .client import Client


class DirectView(View):
    """Runs what it is given on each of its engines; as a dictionary, it is their namespace.

    Where `targets` is an int, results are those of that engine; else they are lists, with one result for each engine.
    What is sent to one engine runs there in the order in which it was sent.

    Attributes
    ----------
    targets : int or list of int or "all"
        The engines. ``"all"`` is those that are there when something is sent.

    Examples
    --------
    >>> view = client[:]
    >>> view["a"] = 5
    >>> view.apply_sync(lambda: a + 1)
    [6, 6]
    """

    _flags = {**View._flags, "targets": ("an engine's id, a list of them, a slice or 'all'", is_targets)}

    def __init__(self, client: "Client", targets: Targets = "all", **flags: Any) -> None:
        self.targets: Any = targets
        super().__init__(client, **flags)

    def __repr__(self) -> str:
        return "<%s %s>" % (type(self).__name__, self.targets)

    def __len__(self) -> int:
        return 1 if isinstance(self.targets, int) else len(self._ids(None))

    def execute(
        self, code: str, silent: bool = True, targets: Targets = None, block: Optional[bool] = None
    ) -> "AsyncResult":
        """Executes a text in the namespaces of the engines.

        Parameters
        ----------
        code : str
            Statements of Python.
        silent : bool, default True
            Whether what the last expression gives is not wanted; else it is the result, an `rpar.on_engine.ExecuteReply`
            (None if it gives None, or ends with a semicolon).
        targets : optional
            Other engines than the view's.
        block : bool, optional
            Whether to wait, and raise what was raised; default is the view's.

        Returns
        -------
        AsyncResult
        """
        return self._execute(code, None, silent, targets, block)

    def run(
        self, filename: Union[str, "os.PathLike[str]"], targets: Targets = None, block: Optional[bool] = None
    ) -> "AsyncResult":
        """Executes a file of this machine in the namespaces of the engines.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        with open(filename, encoding="utf-8") as file:
            return self._execute(file.read(), os.path.abspath(filename), True, targets, block)

    def _execute(
        self, code: str, filename: Optional[str], silent: bool, targets: Targets, block: Optional[bool]
    ) -> "AsyncResult":
        result = self._task(on_engine.execute, (code, filename, silent), "execute", targets)
        if self.block if block is None else block:
            result.get()
        return result

    def push(
        self, ns: Dict[str, Any], targets: Targets = None, block: Optional[bool] = None, track: Optional[bool] = None
    ) -> Any:
        """Puts values into the engines' namespaces.

        Parameters
        ----------
        ns : dict of str to anything
        targets : optional
            Other engines than the view's.
        block : bool, optional
            Whether to wait until they are there; default is the view's.
        track : bool, optional
            Values are copied before this returns, so that there is nothing to track.

        Returns
        -------
        AsyncResult, or a list of None if it blocks
        """
        if not isinstance(ns, dict):
            raise TypeError("push takes a dict of names and values, not %r" % type(ns).__name__)
        return self._got(self._task(on_engine.push, (ns,), "push", targets), block)

    def pull(self, names: Union[str, Sequence[str]], targets: Targets = None, block: Optional[bool] = None) -> Any:
        """Gets values out of the engines' namespaces.

        Parameters
        ----------
        names : str or list of str
            Each is a name, or an expression of such.
        targets : optional
            Other engines than the view's.
        block : bool, optional
            Whether to wait for them; default is the view's.

        Returns
        -------
        AsyncResult, or if it blocks its result: the value, or for a list of names, the list of values; a list with one such
        for each engine, unless there is one by its id.

        Raises
        ------
        rpar.error.RemoteError, rpar.error.CompositeError
            When it is waited for: ``NameError``, if an engine has no such name.
        """
        if not isinstance(names, str):
            names = list(names)
            for name in names:
                if not isinstance(name, str):
                    raise TypeError("names are strings, not %r" % (name,))
        return self._got(self._task(on_engine.pull, (names,), "pull", targets), block)

    def update(self, ns: Dict[str, Any]) -> Any:
        """`push`."""
        return self.push(ns)

    def get(self, key_s: Union[str, Sequence[str]]) -> Any:
        """`pull` that blocks."""
        return self.pull(key_s, block=True)

    def __getitem__(self, key: Union[str, Sequence[str]]) -> Any:
        return self.get(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def scatter(
        self,
        key: str,
        seq: Iterable[Any],
        dist: str = "b",
        flatten: bool = False,
        targets: Targets = None,
        block: Optional[bool] = None,
        track: Optional[bool] = None,
    ) -> Optional["AsyncResult"]:
        """Parts a sequence among the engines, into their namespaces.

        Parameters
        ----------
        key : str
            The name that each engine's part gets.
        seq : iterable
            Parts are slices of it: of an array, they are arrays.
        dist : {"b", "r"}
            Contiguous blocks, or dealt out in turn.
        flatten : bool, default False
            Whether a part of a single item is that item.
        targets, block, track
            As for `push`.

        Returns
        -------
        AsyncResult, or None if it blocks
        """
        partition.check_way(dist)
        ids = self._ids(targets)
        whole = partition.sliceable(seq)
        parts = partition.part(whole, len(whole), len(ids), dist)
        function = self.client._remote(on_engine.push)
        values = [part[0] if flatten and len(part) == 1 else part for part in parts]
        arguments = (serialize.argument_bytes(({key: value},)) for value in values)
        group = self._submit_each(function, ids, arguments)
        result = self._result(group, "scatter", ids, single=False)
        if self.block if block is None else block:
            result.get()
            return None
        return result

    def gather(self, key: str, dist: str = "b", targets: Targets = None, block: Optional[bool] = None) -> Any:
        """Gets the parts of a sequence out of the engines' namespaces, and puts them together.

        Parameters
        ----------
        key : str
            The name that they have.
        dist : {"b", "r"}
            How they were parted.
        targets, block
            As for `pull`.

        Returns
        -------
        AsyncResult, or if it blocks its result: an array if the parts are arrays, else a list
        """
        partition.check_way(dist)
        ids = self._ids(targets)
        group = self._submit_all(self.client._remote(on_engine.pull), ids, serialize.argument_bytes((key,)))
        return self._got(self._joined_result(group, "gather", dist, ids), block)

    def clear(self, targets: Targets = None, block: Optional[bool] = None) -> Any:
        """Empties the engines' namespaces."""
        return self._got(self._task(on_engine.clear, (), "clear", targets), block)

    def sync_imports(self, local: bool = True, quiet: bool = False) -> ContextManager[None]:
        """A ``with`` block whose imports happen on the engines too, under the same names.

        Parameters
        ----------
        local : bool, default True
            Must be true; what is to be imported on the engines alone can be executed there.
        quiet : bool, default False
            Whether nothing is printed.

        Raises
        ------
        rpar.error.CompositeError
            At the end of the block, if an engine cannot import something.
        """
        if not local:
            raise ValueError("what only the engines are to import, view.execute('import ...') does")
        return SyncImports(self, quiet)

    @property
    def importer(self) -> ContextManager[None]:
        """`sync_imports` as an attribute."""
        return self.sync_imports()

    def imap(self, f: Callable[..., Any], *sequences: Iterable[Any], **flags: Any) -> Iterator[Any]:
        """Iterates over the results of `map`, as they come; arguments are those of `map_async`."""
        return iter(self.map_async(f, *sequences, **flags))

    def _ids(self, targets: Targets) -> List[int]:
        """The engines that are meant, where None is the view's."""
        if targets is not None:
            return resolve(self.client, targets)
        own = self.targets
        if isinstance(own, int) and own >= 0:
            return [own]
        return list(own) if isinstance(own, (list, tuple, range)) else resolve(self.client, own)

    def _is_single(self, targets: Targets) -> bool:
        return isinstance(self.targets if targets is None else targets, int)

    def _got(self, result: "AsyncResult", block: Optional[bool]) -> Any:
        return result.get() if (self.block if block is None else block) else result

    def _task(
        self, function: Callable[..., Any], arguments: Tuple[Any, ...], fname: str, targets: Targets
    ) -> "AsyncResult":
        """Runs a function of `on_engine` on each engine."""
        ids = self._ids(targets)
        group = self._submit_all(self.client._remote(function), ids, serialize.argument_bytes(arguments))
        return self._result(group, fname, ids, single=self._is_single(targets))

    def _submit_call(self, f: Callable[..., Any], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> "AsyncResult":
        ids = self._ids(None)
        function = self.client._session.define(serialize.function_bytes(serialize.APPLY, callable_of(f)))
        group = self._submit_all(function, ids, serialize.argument_bytes((args, kwargs)))
        return self._result(group, name_of(f), ids, single=self._is_single(None))

    def _submit_map(
        self,
        f: Callable[..., Any],
        sequences: Tuple[Iterable[Any], ...],
        chunksize: Optional[int],
        ordered: bool,
        return_exceptions: bool,
    ) -> "AsyncMapResult":
        check_map(sequences, chunksize)
        ids = self._ids(None)
        whole = [partition.sliceable(sequence) for sequence in sequences]
        items = min(len(sequence) for sequence in whole)
        if chunksize is None:
            spans = [span for span in partition.blocks(items, len(ids)) if span[0] < span[1]]
        else:
            spans = [(low, min(low + chunksize, items)) for low in range(0, items, chunksize)]
        engines = [ids[n % len(ids)] for n in range(len(spans))]
        body = serialize.function_bytes(serialize.CALL, partial(on_engine.map_part, callable_of(f)))
        arguments = (serialize.argument_bytes(tuple(seq[low:high] for seq in whole)) for low, high in spans)
        group = self._submit_each(self.client._session.define(body), engines, arguments)
        chunks = ([high - low for low, high in spans], items)
        return self._map_result(group, name_of(f), chunks, ordered, return_exceptions, targets=engines)

    def _submit_parts(
        self, function: "Function", items: int, chunksize: Optional[int], pack: Callable[[int], Iterable[bytes]]
    ) -> Tuple["Group", Optional[List[int]]]:
        ids = self._ids(None)
        count = min(items, len(ids)) if chunksize is None else -(-items // chunksize)
        engines = [ids[n % len(ids)] for n in range(count)]
        return self._submit_each(function, engines, pack(count)), engines

    def _submit_all(self, function: "Function", engines: Sequence[int], argument: bytes) -> "Group":
        return self._submit_each(function, engines, (argument for _ in engines))

    def _submit_each(self, function: "Function", engines: Sequence[int], arguments: Iterable[bytes]) -> "Group":
        """Submits a task to each engine, with its argument; the group of them."""
        session = self.client._session
        group = session.group()
        try:
            for engine, argument in zip(engines, arguments):
                session.submit(group, function, self._options([engine]), [argument])
        except BaseException:
            # an argument that cannot be pickled, or Ctrl-C: nobody will ask for what was submitted so far
            session.cancel(group)
            raise
        return group


class BroadcastView(DirectView):
    """A direct view under the name that it has for IPython Parallel's users.

    There, what all engines are to run passes through a tree of schedulers, so that no process sends it once for each. Here
    engines of a node share one link, over which a function goes once, and the controller sends arguments on without a copy
    of its own: a tree would add hops and spare nothing.
    """
