"""The link to a running cluster."""

import os
import weakref
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

from . import _rpar, serialize
from .balanced import LoadBalancedView
from .callbacks import Callbacks
from .direct import BroadcastView, DirectView
from .engines import Engines
from .history import History
from .jobs import Submitter
from .targets import Targets, resolve

if TYPE_CHECKING:
    from .cluster import Cluster
    from .executor import Executor


class Client(Engines, Submitter):
    """A link to the controller of a running cluster, which ``rpar start`` has started.

    Parameters
    ----------
    profile : str, optional
        The site's profile; default is ``$RPAR_PROFILE``, or ``local``.
    cluster_id : str, optional
        Which of the profile's clusters; default is ``default``.
    connection_file : path, optional
        The cluster's ``client.toml``, in place of the two.

    Raises
    ------
    rpar.error.ConnectionError
        If no such cluster runs or it cannot be reached within 10 s.
    """

    def __init__(
        self,
        profile: Optional[str] = None,
        cluster_id: Optional[str] = None,
        connection_file: Union[str, "os.PathLike[str]", None] = None,
    ) -> None:
        if connection_file is not None and (profile is not None or cluster_id is not None):
            raise ValueError("a connection_file already says which cluster: leave out profile and cluster_id")
        path = None if connection_file is None else os.fspath(connection_file)
        self._session = _rpar.connect(profile, cluster_id, path)
        # the functions of `on_engine` that were used, by function and the directories that are told along
        self._functions: Dict[Tuple[Any, ...], _rpar.Function] = {}
        self._history = History()
        #: the `Cluster` that it belongs to, if this program has started it
        self.cluster: Optional["Cluster"] = None
        self._callbacks = Callbacks()
        # also at the interpreter's exit, while the link's thread can still send what is left
        self._close = weakref.finalize(self, _close, self._session, self._callbacks)

    def __getitem__(self, key: Targets) -> DirectView:
        """A direct view: of one engine by its id, of a list of ids, of a slice of the engines that are there now, or of
        ``"all"``.

        Raises
        ------
        IndexError
            If an engine is named that is not there.
        """
        return self.direct_view(key)

    def __iter__(self) -> Iterator[DirectView]:
        """Yields a direct view of each engine."""
        return (DirectView(self, engine) for engine in self.ids)

    def direct_view(self, targets: Targets = "all", **flags: Any) -> DirectView:
        """A view that runs what it is given on each of its engines.

        Parameters
        ----------
        targets : int, list of int, slice or "all"
            ``"all"``, the default, is the engines that are there whenever the view is used; all others are fixed now.
        **flags
            Attributes of the view, as ``block``.

        Raises
        ------
        IndexError
            If an engine is named that is not there.
        """
        return DirectView(self, self._fixed(targets), **flags)

    def broadcast_view(self, targets: Targets = "all", **flags: Any) -> BroadcastView:
        """`direct_view`, under another name; see `BroadcastView`."""
        return BroadcastView(self, self._fixed(targets), **flags)

    def load_balanced_view(self, targets: Targets = None, **flags: Any) -> LoadBalancedView:
        """A view that runs each task on whichever engine is free, among `targets` if given.

        `flags` are attributes of the view: ``block``, ``retries``, ``timeout`` and others.
        """
        if isinstance(targets, str):
            targets = self._fixed(targets) and None
        elif isinstance(targets, (slice, range)):
            targets = resolve(self, targets)
        return LoadBalancedView(self, targets=targets, **flags)

    def executor(self, targets: Targets = None) -> "Executor":
        """The cluster as `concurrent.futures` has executors: calls go to whichever engine is free, among `targets`."""
        return self.load_balanced_view(targets).executor

    def _fixed(self, targets: Targets) -> Union[int, List[int], str]:
        """Which engines are meant now; all are not fixed."""
        if targets is None or (isinstance(targets, str) and targets.lower() == "all"):
            return "all"
        ids = resolve(self, targets)
        return ids[0] if isinstance(targets, int) else ids

    def _remote(self, function: Callable[..., Any]) -> _rpar.Function:
        """A function of `on_engine` that takes its arguments as a tuple; pickled once."""
        key = (function, *serialize.own_paths())
        known = self._functions.get(key)
        if known is None:
            known = self._functions[key] = self._session.define(serialize.function_bytes(serialize.CALL, function))
        return known

    def close(self) -> None:
        """Closes the link. Tasks that were submitted go on, but their results are lost."""
        self._close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _close(session: _rpar.Session, callbacks: Callbacks) -> None:
    session.close()
    # all tasks have ended now, if only by being lost
    callbacks.close()
