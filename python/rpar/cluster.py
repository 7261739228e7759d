"""Clusters that a program starts and stops itself."""

import atexit
import os
import signal
import weakref
from typing import Any, Dict, List, Optional

from . import program
from .client import Client

#: What a class of engine launchers of ipyparallel is here: a profile.
_PROFILES = {
    "local": "local",
    "mpi": "local",
    "ssh": "hosts",
    "sshproxy": "hosts",
    "pbs": "openpbs",
    "torque": "torque",
    "slurm": "slurm",
}

#: Settings of ``ipyparallel.Cluster`` for which there is no need here; they have no effect.
_WITHOUT_EFFECT = frozenset(
    ["controller_args", "debug", "delay", "load_profile", "log_level", "parent", "send_engines_connection_env"]
)


class Cluster:
    """A cluster of a site's profile: a controller, and engines on the nodes that the site grants.

    >>> with Cluster(n=4) as rc:
    ...     rc.load_balanced_view().map_sync(abs, [-1, -2])

    Parameters
    ----------
    n : int, optional
        How many engines; the profile says otherwise.
    profile : str, optional
        The site's profile; default is ``$RPAR_PROFILE``, or ``local``.
    cluster_id : str, optional
        Its name among the profile's clusters; default is one that no other has.
    engines : str, optional
        In place of `profile`, a name that ipyparallel has for its launchers: ``local``, ``mpi``, ``ssh``, ``pbs``,
        ``torque``, ``slurm``.
    shutdown_atexit : bool, default True
        Whether the cluster ends with this program. One that was found by `from_file` does not.
    engine_timeout : float, optional
        Seconds to wait for engines in `start_and_connect` and the ``with`` block; default is as long as it takes, which in
        a queue may be hours.
    **params
        Parameters of the profile, as ``rpar --profile NAME start --help`` lists them: ``nodes=2, ppn=8, walltime="1h"``.

    Notes
    -----
    Each method has a twin for programs without asyncio, whose name ends in ``_sync``; the others are coroutines.
    """

    def __init__(
        self,
        n: Optional[int] = None,
        *,
        profile: Optional[str] = None,
        cluster_id: Optional[str] = None,
        engines: Optional[str] = None,
        controller: Optional[str] = None,
        shutdown_atexit: bool = True,
        engine_timeout: Optional[float] = None,
        **params: Any,
    ) -> None:
        self.n = n
        self.profile = profile or _profile_of(engines) or os.environ.get("RPAR_PROFILE") or "local"
        self.cluster_id = cluster_id or "py-%s" % os.urandom(4).hex()
        self.shutdown_atexit = shutdown_atexit
        self.engine_timeout = engine_timeout
        self.params: Dict[str, Any] = {
            name: value for name, value in params.items() if name not in _WITHOUT_EFFECT
        }
        self._clients: "weakref.WeakSet[Client]" = weakref.WeakSet()
        self._context: Optional[Client] = None
        self._is_ours = False

    @classmethod
    def from_file(
        cls,
        cluster_file: Optional[str] = None,
        *,
        profile: Optional[str] = None,
        cluster_id: str = "default",
        **kwargs: Any,
    ) -> "Cluster":
        """A cluster that runs already, such as one of ``rpar start``.

        Parameters
        ----------
        cluster_file : path, optional
            The cluster's directory or its ``client.toml``, whose last two directories are profile and cluster id.
        profile, cluster_id : str, optional
            In its place; default is ``default`` of ``$RPAR_PROFILE``, or of ``local``.

        Raises
        ------
        rpar.error.ConnectionError
            If it does not run.
        """
        if cluster_file is not None:
            directory = os.path.abspath(cluster_file)
            directory = os.path.dirname(directory) if os.path.isfile(directory) else directory
            profile, cluster_id = os.path.basename(os.path.dirname(directory)), os.path.basename(directory)
        cluster = cls(profile=profile, cluster_id=cluster_id, shutdown_atexit=False, **kwargs)
        Client(profile=cluster.profile, cluster_id=cluster.cluster_id).close()
        return cluster

    def __repr__(self) -> str:
        return "<Cluster(profile=%r, cluster_id=%r)>" % (self.profile, self.cluster_id)

    # ---- in order of a cluster's life, for programs without asyncio

    def start_cluster_sync(self, n: Optional[int] = None) -> "Cluster":
        """Starts controller and engines; returns at once, engines come when the site grants them.

        Raises
        ------
        rpar.error.ClusterError
            If the profile, the site or a parameter does not have it so.
        """
        count = self.n if n is None else n
        start = ["start", "--no-wait", *program.options({"engines": count, **self.params})]
        program.run(self._named(start))
        self.n, self._is_ours = count, True
        if self.shutdown_atexit:
            atexit.register(self._stop_at_exit)
        return self

    def connect_client_sync(self, **kwargs: Any) -> Client:
        """A client of the cluster; `kwargs` as `Client` takes them.

        Raises
        ------
        rpar.error.ConnectionError
            If the cluster does not run, or cannot be reached within 10 s.
        """
        client = Client(profile=self.profile, cluster_id=self.cluster_id, **kwargs)
        client.cluster = self
        self._clients.add(client)
        return client

    def start_and_connect_sync(self, n: Optional[int] = None) -> Client:
        """Starts the cluster, waits for its engines, and returns a client. Ctrl-C, or a time-out, stops it again.

        Parameters
        ----------
        n : int, optional
            How many engines; default is the cluster's own.

        Raises
        ------
        rpar.error.ClusterError
            If it cannot be started.
        TimeoutError
            If the engines are not there within `engine_timeout` seconds.
        """
        self.start_cluster_sync(n)
        try:
            client = self.connect_client_sync()
            timeout = -1 if self.engine_timeout is None else self.engine_timeout
            client.wait_for_engines(self.n, timeout=timeout)
        except BaseException:
            self.stop_cluster_sync()
            raise
        return client

    def start_engines_sync(self, n: Optional[int] = None, **params: Any) -> None:
        """Asks for further engines, `n` or as many as the profile says; they come later.

        Raises
        ------
        rpar.error.ClusterError
            If the site does not have it so.
        """
        wanted = {"engines": n, **self.params, **params}
        program.run(self._named(["engines", "add", "--no-wait", *program.options(wanted)]))

    def stop_engines_sync(self, engines: Optional[List[int]] = None) -> None:
        """Has engines leave, those with these ids or all: at once, and their tasks run elsewhere.

        Raises
        ------
        rpar.error.ConnectionError
            If the cluster does not run.
        """
        with self._borrowed() as client:
            client.shutdown("all" if engines is None else engines)

    def stop_engine_sync(self, engine_id: int) -> None:
        """Has one engine leave.

        Raises
        ------
        rpar.error.ConnectionError
            If the cluster does not run.
        """
        self.stop_engines_sync([engine_id])

    def restart_engines_sync(self, engines: Optional[List[int]] = None) -> None:
        """Gives engines, those with these ids or all, a fresh interpreter, once what they run has ended.

        Raises
        ------
        rpar.error.ConnectionError
            If the cluster does not run.
        """
        with self._borrowed() as client:
            client.restart("all" if engines is None else engines)

    def restart_engine_sync(self, engine_id: int) -> None:
        """Gives one engine a fresh interpreter.

        Raises
        ------
        rpar.error.ConnectionError
            If the cluster does not run.
        """
        self.restart_engines_sync([engine_id])

    def stop_cluster_sync(self) -> None:
        """Stops the cluster and gives back its nodes. One that does not run is left as it is.

        Raises
        ------
        rpar.error.ClusterError
            If the site does not take something back; the text says what.
        """
        atexit.unregister(self._stop_at_exit)
        for client in list(self._clients):
            client.close()
        self._is_ours = False
        program.run(self._named(["stop"]))

    def signal_engines_sync(self, signum: int = signal.SIGINT, engines: Optional[List[int]] = None) -> None:
        """Interrupts what engines, those with these ids or all, run for clients of this object. Namespaces are kept.

        Raises
        ------
        ValueError
            For another signal than SIGINT: ``restart_engines`` ends interpreters.
        """
        if signum != signal.SIGINT:
            raise ValueError("only SIGINT can be sent, not %r; restart_engines gives fresh interpreters" % (signum,))
        for client in list(self._clients):
            client.abort(targets=engines)

    # ---- the same for programs with asyncio

    async def start_cluster(self, n: Optional[int] = None) -> "Cluster":
        """`start_cluster_sync` as a coroutine."""
        cluster: Cluster = await _aside(self.start_cluster_sync, n)
        return cluster

    async def connect_client(self, **kwargs: Any) -> Client:
        """`connect_client_sync` as a coroutine."""
        client: Client = await _aside(self.connect_client_sync, **kwargs)
        return client

    async def start_and_connect(self, n: Optional[int] = None) -> Client:
        """`start_and_connect_sync` as a coroutine."""
        client: Client = await _aside(self.start_and_connect_sync, n)
        return client

    async def start_engines(self, n: Optional[int] = None, **params: Any) -> None:
        """`start_engines_sync` as a coroutine."""
        await _aside(self.start_engines_sync, n, **params)

    async def stop_engines(self, engines: Optional[List[int]] = None) -> None:
        """`stop_engines_sync` as a coroutine."""
        await _aside(self.stop_engines_sync, engines)

    async def restart_engines(self, engines: Optional[List[int]] = None) -> None:
        """`restart_engines_sync` as a coroutine."""
        await _aside(self.restart_engines_sync, engines)

    async def stop_cluster(self) -> None:
        """`stop_cluster_sync` as a coroutine."""
        await _aside(self.stop_cluster_sync)

    def __enter__(self) -> Client:
        self._context = self.start_and_connect_sync()
        return self._context

    def __exit__(self, *_: Any) -> None:
        self._context = None
        self.stop_cluster_sync()

    async def __aenter__(self) -> Client:
        self._context = await self.start_and_connect()
        return self._context

    async def __aexit__(self, *_: Any) -> None:
        self._context = None
        await self.stop_cluster()

    def _named(self, arguments: List[str]) -> List[str]:
        return ["--profile", self.profile, "--cluster-id", self.cluster_id, *arguments]

    def _borrowed(self) -> Client:
        return Client(profile=self.profile, cluster_id=self.cluster_id)

    def _stop_at_exit(self) -> None:
        try:
            self.stop_cluster_sync()
        except Exception as problem:
            # nobody can catch it any more
            print("the cluster %s/%s is not stopped: %s" % (self.profile, self.cluster_id, problem))


def _profile_of(engines: Optional[str]) -> Optional[str]:
    if engines is None:
        return None
    profile = _PROFILES.get(engines.lower())
    if profile is None:
        known = ", ".join(_PROFILES)
        raise ValueError("engines must be one of %s, not %r; any other site is a profile" % (known, engines))
    return profile


async def _aside(function: Any, *args: Any, **kwargs: Any) -> Any:
    import asyncio

    return await asyncio.to_thread(function, *args, **kwargs)
