"""rpar: run Python functions on the engines of a cluster.

>>> from rpar import Client
>>> rc = Client(profile="carver")
>>> lview = rc.load_balanced_view()
>>> results = lview.map_sync(function, list_of_arguments)

The names are those of IPython Parallel. A cluster is started by the command ``rpar start``.
"""

from . import error
from ._rpar import __version__
from .asyncresult import AsyncMapResult, AsyncResult
from .balanced import LoadBalancedView
from .client import Client
from .cluster import Cluster
from .decorators import ParallelFunction, RemoteFunction, interactive, parallel, remote
from .dependency import Dependency, depend, require
from .direct import BroadcastView, DirectView
from .error import CompositeError, RemoteError
from .reference import Reference
from .view import View

__all__ = [
    "AsyncMapResult",
    "AsyncResult",
    "BroadcastView",
    "Client",
    "Cluster",
    "CompositeError",
    "Dependency",
    "DirectView",
    "LoadBalancedView",
    "ParallelFunction",
    "Reference",
    "RemoteError",
    "RemoteFunction",
    "View",
    "__version__",
    "depend",
    "error",
    "interactive",
    "parallel",
    "remote",
    "require",
]
