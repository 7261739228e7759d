"""The link to a running cluster."""

import json
import os
import weakref
from typing import Any, Dict, List, Optional, Set, Union

from . import _rpar
from .balanced import LoadBalancedView
from .history import History


class Client:
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
        self._history = History()
        # also at the interpreter's exit, while the link's thread can still send what is left
        self._close = weakref.finalize(self, self._session.close)

    @property
    def history(self) -> List[str]:
        """Message ids of all tasks that this client has submitted, in that order."""
        return self._history.all_names()

    @property
    def outstanding(self) -> Set[str]:
        """Message ids of the tasks that have not ended."""
        return self._history.outstanding()

    @property
    def _session_id(self) -> str:
        return self._history.session_id

    def _number(self, count: int) -> int:
        return self._history.number(count)

    @property
    def ids(self) -> List[int]:
        """Ids of the engines that are there now, in order. Asks the controller."""
        return [engine["id"] for engine in self.status()["engines"]]

    def __len__(self) -> int:
        return len(self.ids)

    def __bool__(self) -> bool:
        return True

    def status(self, timeout: float = 10.0) -> Dict[str, Any]:
        """The cluster's state as ``rpar status --json`` shows it: engines, allocations, counts of tasks.

        Raises
        ------
        TimeoutError
            If the controller does not answer within `timeout` seconds.
        """
        status: Dict[str, Any] = json.loads(self._session.status(timeout))
        return status

    def load_balanced_view(self, targets: Union[int, List[int], None] = None, **flags: Any) -> LoadBalancedView:
        """A view that runs each task on whichever engine is free, among `targets` if given.

        `flags` are attributes of the view: ``block``, ``retries``, ``timeout``.
        """
        return LoadBalancedView(self, targets=targets, **flags)

    def shutdown(self, timeout: float = 60.0) -> None:
        """Ends the cluster: its tasks, its engines, its allocations and the controller; as ``rpar stop`` does.

        Raises
        ------
        TimeoutError
            If that takes longer than `timeout` seconds.
        """
        self._session.stop_cluster(timeout)
        self.close()

    def close(self) -> None:
        """Closes the link. Tasks that were submitted go on, but their results are lost."""
        self._close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
