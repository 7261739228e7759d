"""Views as `concurrent.futures` has them."""

import concurrent.futures
import time

import pytest
from conftest import until

from rpar import error


@pytest.fixture
def executor(client):
    with client.executor() as executor:
        yield executor


def test_submit(executor):
    assert isinstance(executor, concurrent.futures.Executor)
    future = executor.submit(divmod, 17, 5)
    assert future.result(60) == (3, 2)
    assert executor.submit(sorted, [1, 3, 2], reverse=True).result() == [3, 2, 1]
    futures = [executor.submit(pow, 2, x) for x in range(10)]
    assert {future.result() for future in concurrent.futures.as_completed(futures, 60)} == {2**x for x in range(10)}


def test_map(executor):
    assert list(executor.map(pow, [1, 2, 3], [2, 2, 2])) == [1, 4, 9]
    assert list(executor.map(abs, range(-100, 0), chunksize=7)) == list(range(100, 0, -1))
    assert list(executor.map(abs, [])) == []
    results = executor.map(lambda x: 6 // x, [3, 0, 2])
    assert next(results) == 2
    with pytest.raises(error.RemoteError, match="ZeroDivisionError"):
        next(results)


def test_map_has_a_time_out(executor, client):
    results = executor.map(time.sleep, [0, 600], timeout=0.5)
    assert next(results) is None
    with pytest.raises(concurrent.futures.TimeoutError):
        next(results)
    # what is left was cancelled, so that the executor can end
    until(lambda: not client.outstanding)


def test_what_is_not_needed_is_cancelled(executor, client):
    results = executor.map(time.sleep, [0, 600, 600])
    assert next(results) is None
    results.close()
    until(lambda: not client.outstanding)


def test_shutdown_waits(client):
    executor = client.executor()
    future = executor.submit(time.sleep, 0.1)
    del future
    executor.shutdown()
    assert client.outstanding == set()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.map(abs, [1])
    assert client.load_balanced_view().apply_sync(abs, -1) == 1, "the engines go on"


def test_shutdown_cancels_what_has_not_begun(client, held_call):
    executor = client.executor(targets=client.ids[0])
    with held_call(executor.view) as running:
        queued = executor.submit(time.sleep, 600)
        executor.shutdown(wait=False, cancel_futures=True)
        assert isinstance(queued.exception(60), error.TaskAborted) and queued.cancelled()
    assert running.result(60) == 42
    executor.shutdown()


def test_a_view_has_one(lview):
    with lview.temp_flags(retries=1):
        executor = lview.executor
        assert executor.view is lview
        assert executor.submit(abs, -2).result(60) == 2
