"""Clusters that a program starts, and what clients ask of engines."""

import asyncio
import os
import subprocess
import sys
import textwrap

import pytest
from conftest import rpar as command

import rpar
from rpar import error


def test_a_with_block_is_a_cluster(home):
    with rpar.Cluster(n=2) as rc:
        assert len(rc) == 2
        assert rc.cluster.cluster_id.startswith("py-")
        assert rc.load_balanced_view().map_sync(abs, [-1, -2]) == [1, 2]
        name = rc.cluster.cluster_id
        assert name in command("list")
    assert name not in command("list")
    with pytest.raises(error.ConnectionError):
        rpar.Client(cluster_id=name)


def test_a_cluster_step_by_step(home):
    cluster = rpar.Cluster(n=1, cluster_id="steps", log_level=10)
    assert cluster.start_cluster_sync() is cluster
    try:
        rc = cluster.connect_client_sync()
        rc.wait_for_engines(1, timeout=60)
        cluster.start_engines_sync(1)
        rc.wait_for_engines(2, timeout=60)
        first, second = rc.ids
        found = rpar.Cluster.from_file(cluster_id="steps")
        with found.connect_client_sync() as other:
            assert other.ids == [first, second]
        found.stop_engine_sync(first)
        rc.wait_for_engines(1, timeout=60)
        pid = rc[second].apply_sync(os.getpid)
        rc[second].push({"x": 1})
        cluster.restart_engines_sync()
        assert rc[second].apply_sync(os.getpid) != pid
        assert rc.ids == [second], "the engine stays"
        with pytest.raises(error.RemoteError):
            rc[second].pull("x", block=True)
        with pytest.raises(error.ClusterError, match="steps"):
            rpar.Cluster(n=1, cluster_id="steps").start_cluster_sync()
    finally:
        cluster.stop_cluster_sync()
    with pytest.raises(error.ConnectionError):
        rpar.Cluster.from_file(cluster_id="steps")
    cluster.stop_cluster_sync()


def test_coroutines(home):
    async def main():
        async with rpar.Cluster(n=1) as rc:
            return rc.ids

    assert asyncio.run(main()) == [0]


def test_what_cannot_be_started_says_why(home):
    with pytest.raises(error.ClusterError, match="unknown profile `nowhere`"):
        rpar.Cluster(profile="nowhere").start_cluster_sync()
    with pytest.raises(error.ClusterError, match="--colour"):
        rpar.Cluster(colour="blue").start_cluster_sync()
    with pytest.raises(ValueError, match="sge"):
        rpar.Cluster(engines="sge")
    assert rpar.Cluster(engines="slurm").profile == "slurm"


def test_a_cluster_ends_with_its_program(home):
    script = """
        import rpar
        rpar.Cluster(n=1, cluster_id="left").start_and_connect_sync()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=120)
    assert "left" not in command("list")


def test_queue_status(client):
    first, second = client.ids
    view = client.load_balanced_view(targets=first)
    before = client.queue_status()[first]["completed"]
    view.map_sync(abs, range(10))
    status = client.queue_status()
    assert status[first] == {"queue": 0, "completed": before + 10, "tasks": 0}
    assert set(status) == {first, second, "unassigned"} and status["unassigned"] == 0
    assert client.queue_status(second) == status[second]
    with pytest.raises(IndexError):
        client.queue_status(99)


def test_waiting_for_engines_that_do_not_come(client):
    client.wait_for_engines()
    client.wait_for_engines(2, timeout=0)
    with pytest.raises(TimeoutError, match="2 of 3"):
        client.wait_for_engines(3, timeout=0.2)
    assert client.wait_for_engines(2, block=False).result(timeout=60) is None


def test_clearing_namespaces(client):
    view = client[:]
    view.push({"kept": 1}, block=True)
    assert view.pull("kept", block=True) == [1, 1]
    client.clear(client.ids[0], block=True)
    assert client[client.ids[1]].pull("kept", block=True) == 1
    with pytest.raises(error.RemoteError):
        client[client.ids[0]].pull("kept", block=True)
