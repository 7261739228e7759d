"""Results as futures: of concurrent.futures, under asyncio, and with callbacks."""

import asyncio
import concurrent.futures
import threading
import time
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION

import pytest
from conftest import until

import rpar
from rpar import error


def fail(x):
    raise ValueError(x)


@pytest.fixture(autouse=True)
def by_value():
    import cloudpickle

    module = __import__(__name__)
    cloudpickle.register_pickle_by_value(module)
    yield
    cloudpickle.unregister_pickle_by_value(module)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "rpar callbacks"]


def test_a_result_is_a_future(lview):
    result = lview.apply(abs, -1)
    assert isinstance(result, concurrent.futures.Future)
    assert result.result() == 1 and result.result(timeout=60) == 1
    assert result.exception() is None and result.done() and not result.running() and not result.cancelled()
    failed = lview.apply(fail, 7)
    assert isinstance(failed.exception(60), error.RemoteError)
    with pytest.raises(error.RemoteError, match="7"):
        failed.result()
    assert not failed.cancelled()
    assert threads() == [], "nobody has asked to be told"


def test_time_outs_are_those_of_both(held_call):
    with held_call() as result:
        for ask in (result.result, result.exception, result.get):
            with pytest.raises(TimeoutError):
                ask(timeout=0.01)
            with pytest.raises(concurrent.futures.TimeoutError):
                ask(timeout=0)
        assert not result.done() and "pending" in repr(result)
    assert result.result(60) == 42


def test_callbacks_come_from_one_thread_that_ends_with_the_client(lview, held_call):
    told, where = [], []
    with held_call() as result:
        result.add_done_callback(lambda ended: (told.append(ended), where.append(threading.current_thread())))
        others = [lview.apply(abs, -x) for x in range(3)]
        for other in others:
            other.add_done_callback(told.append)
        until(lambda: len(told) == 3)
        assert set(told) == set(others) and len(threads()) == 1
    until(lambda: result in told)
    assert where == threads()
    # it is there: told at once, by this thread
    result.add_done_callback(lambda ended: where.append(threading.current_thread()))
    assert where[1] is threading.current_thread()
    lview.client.close()
    assert threads() == []


def test_a_client_that_closes_tells_those_who_wait(cluster, held_call):
    with rpar.Client() as other, held_call(other.load_balanced_view()) as result:
        told = []
        result.add_done_callback(told.append)
        other.close()
        assert told == [result] and isinstance(result.exception(), error.EngineError)


def test_a_callback_that_fails_harms_nobody(lview, caplog):
    told = []
    result = lview.apply(time.sleep, 0.05)
    result.add_done_callback(lambda _: 1 / 0)
    result.add_done_callback(told.append)
    until(lambda: told)
    later = lview.apply(abs, -1)
    later.add_done_callback(told.append)
    until(lambda: later in told)
    assert "ZeroDivisionError" in caplog.text


def test_wait_and_as_completed(lview, held_call):
    with held_call() as slow:
        quick = lview.apply(abs, -1)
        done, pending = concurrent.futures.wait([slow, quick], 60, FIRST_COMPLETED)
        assert (done, pending) == ({quick}, {slow})
        done, pending = concurrent.futures.wait([slow, quick], 0.01, ALL_COMPLETED)
        assert (done, pending) == ({quick}, {slow})
        bad = lview.apply(fail, 1)
        done, pending = concurrent.futures.wait([slow, quick, bad], 60, FIRST_EXCEPTION)
        assert bad in done and slow in pending
        completed = concurrent.futures.as_completed([slow, quick], 60)
        assert next(completed) is quick
    assert next(completed) is slow
    assert concurrent.futures.wait([slow, quick]).not_done == set()


def test_parts_are_told_of_one_by_one(lview, held_call, client):
    with held_call() as slow:
        quick = lview.map(abs, [-1, -2, -3])
        both = rpar.AsyncResult.join(quick, slow)
        done, pending = both.wait(0.01, return_when=ALL_COMPLETED)
        until(quick.ready)
        done, pending = both.wait(60, return_when=FIRST_COMPLETED)
        assert len(both) == 4 and len(done) == 3 and [part.get(0) for part in both.split()[:3]] == [1, 2, 3]
        assert pending == {both.split()[3]} and both.progress == 3 and both.running()
        told = []
        both.add_done_callback(told.append)
        assert told == []
    assert both.get(60) == [1, 2, 3, 42]
    until(lambda: told)


def test_many_parts(lview):
    result = lview.map(abs, range(2000))
    parts = result.split()
    assert parts is result.split() and len(parts) == 2000
    assert sorted(part.get()[0][0] for part in concurrent.futures.as_completed(parts, 60)) == list(range(2000))


def test_get_on_the_first_exception(client, held_call, lview):
    with held_call() as slow:
        result = rpar.AsyncResult.join(slow, lview.apply(fail, 3))
        with pytest.raises(error.RemoteError, match="3"):
            result.get(60, return_when=FIRST_EXCEPTION)
        assert isinstance(result.get(60, return_exceptions=True, return_when=FIRST_EXCEPTION), error.RemoteError)
        pending = rpar.AsyncResult.join(slow, lview.apply(abs, -3))
        with pytest.raises(TimeoutError):
            pending.get(0.1, return_when=FIRST_EXCEPTION)
    assert pending.get(60, return_when=FIRST_EXCEPTION) == [42, 3]
    mapped = lview.map(fail, [1])
    with pytest.raises(error.CompositeError):
        mapped.get(60, return_when=FIRST_EXCEPTION)
    with pytest.warns(UserWarning, match="first"):
        assert lview.map(abs, [-1]).get(60, return_when=FIRST_COMPLETED) == [1]


def test_cancelled(held_call):
    with held_call() as result:
        assert result.cancel()
        with pytest.raises(concurrent.futures.CancelledError) as caught:
            result.result(60)
        assert isinstance(caught.value, error.TaskAborted) and result.cancelled()
        assert not result.cancel()
        assert result.status == "aborted"


def test_a_part_is_cancelled_alone(client, held_call, lview):
    with held_call() as slow:
        queued = lview.map(time.sleep, [0, 600, 0])
        queued.split()[1].cancel()
        with pytest.raises(error.CompositeError, match="TaskAborted"):
            queued.split()[1].result(60)
        kept = queued.get(60, return_exceptions=True)
        assert [kept[0], kept[2]] == [None, None] and isinstance(kept[1], error.TaskAborted)
    assert slow.get(60) == 42


def test_then(lview):
    assert lview.apply(abs, -3).then(lambda value: value + 1).result(60) == 4
    assert isinstance(lview.apply(fail, 1).then(abs).exception(60), error.RemoteError)
    assert isinstance(lview.apply(abs, 0).then(lambda value: 1 / value).exception(60), ZeroDivisionError)


def test_asyncio(lview):
    async def main():
        one, many = lview.apply(abs, -1), lview.map(abs, range(-100, 0))
        assert await one == 1
        assert await asyncio.wait_for(many, 60) == list(range(100, 0, -1))
        assert await asyncio.gather(*[lview.apply(abs, -x) for x in range(20)]) == list(range(20))
        assert await one == 1, "a second time"
        with pytest.raises(error.RemoteError, match="13"):
            await lview.apply(fail, 13)
        with pytest.raises(error.CompositeError):
            await lview.map(fail, [1, 2])

    asyncio.run(main())


def test_asyncio_cancels(held_call):
    async def main(result):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(result), 0.05)

    with held_call() as result:
        asyncio.run(main(result))
        with pytest.raises(error.TaskAborted):
            result.get(60)
