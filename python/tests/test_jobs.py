"""What a client knows of the tasks that it has submitted."""

import os
import time

import pytest

import rpar
from rpar import error


@pytest.fixture
def fresh(cluster):
    """A client without a history."""
    with rpar.Client() as client:
        yield client


@pytest.fixture
def held(fresh, tmp_path):
    """A view of one engine, whose task runs until it is let go."""
    gate = tmp_path / "gate"

    def wait(path):
        import os
        import time

        while not os.path.exists(path):
            time.sleep(0.01)

    view = fresh.load_balanced_view(targets=fresh.ids[0])
    running = view.apply_async(wait, str(gate))
    yield view, running, gate.touch
    gate.touch()
    running.wait()


def test_waiting_for_all_and_for_some(fresh, held):
    view, running, let_go = held
    quick = fresh.load_balanced_view(targets=fresh.ids[1]).apply_async(abs, -1)
    assert fresh.wait(quick, timeout=60) and fresh.wait(1, timeout=60) and fresh.wait(quick.msg_ids, timeout=60)
    assert not fresh.wait(timeout=0.05) and not fresh.wait([0, quick], timeout=0.05)
    assert fresh.outstanding == set(running.msg_ids)
    let_go()
    assert fresh.wait(timeout=60) and fresh.outstanding == set()
    assert fresh.history == running.msg_ids + quick.msg_ids == fresh.hub_history()


def test_result_status(fresh, held):
    view, running, let_go = held
    other = fresh.load_balanced_view(targets=fresh.ids[1])
    done = other.map_async(lambda x: 1 // x, [1, 0])
    done.wait(60)
    names = done.msg_ids
    assert fresh.result_status(running.msg_ids + names) == {"pending": running.msg_ids, "completed": names}
    status = fresh.result_status(names, status_only=False)
    assert status[names[0]] == [1] and isinstance(status[names[1]], error.RemoteError)


def test_results_are_found_while_somebody_has_them(fresh):
    view = fresh.load_balanced_view()
    first, second = view.apply_async(abs, -1), view.map_async(abs, [-2, -3])
    assert fresh.get_result(first.msg_ids).get(timeout=60) == 1
    assert fresh.get_result(0, block=True).get() == 1
    assert fresh.get_result(second).get(timeout=60) == [2, 3]
    assert fresh.get_result().msg_ids == second.msg_ids[-1:], "the last one"
    both = fresh.get_result([0, *second.msg_ids])
    assert both.msg_ids == fresh.history and len(both) == 3
    name = first.msg_ids[0]
    del first, both
    with pytest.raises(KeyError, match="nobody has"):
        fresh.get_result(name)
    with pytest.raises(KeyError):
        fresh.get_result("no_such_1")
    with pytest.raises(IndexError):
        fresh.get_result(99)


def test_submitting_again(fresh, held, tmp_path):
    view, running, let_go = held
    other = fresh.load_balanced_view(targets=fresh.ids[1])

    def count(path):
        with open(path, "a") as file:
            return file.write("x") and file.tell()

    first = other.apply_async(count, str(tmp_path / "count"))
    assert first.get(timeout=60) == 1
    again = fresh.resubmit(first, block=True)
    assert again.get() == 2 and again.msg_ids != first.msg_ids
    assert fresh.resubmit(again.msg_ids).get(timeout=60) == 3, "those can be, too"
    mapped = other.map_async(pow, [2, 3], [3, 2])
    mapped.wait(60)
    assert fresh.resubmit(mapped).get(timeout=60) == [8, 9]
    assert fresh.resubmit(mapped.msg_ids[1]).get(timeout=60) == 9
    with pytest.raises(ValueError, match="has not ended"):
        fresh.resubmit(running)
    many = other.map_async(abs, range(2000))
    many.wait(60)
    with pytest.raises(ValueError, match="not kept"):
        fresh.resubmit(many)


def test_abort(fresh, held):
    view, running, let_go = held
    behind = view.map_async(abs, range(3))
    fresh.abort(behind, block=True)
    with pytest.raises(error.CompositeError, match="TaskAborted"):
        behind.get()
    assert not running.ready()
    fresh.abort(block=True)
    with pytest.raises(error.TaskAborted):
        running.get()
    assert view.apply_sync(abs, -1) == 1


def test_queries(fresh):
    ids = fresh.ids
    results = [fresh.load_balanced_view(targets=engine).apply_async(os.getpid) for engine in ids]
    begin = results[0].submitted
    fresh.wait(timeout=60)
    assert len(fresh.db_query({})) == 2
    (record,) = fresh.db_query({"engine_id": ids[1]}, keys=["status"])
    assert record == {"msg_id": results[1].msg_ids[0], "status": "ok"}
    assert fresh.db_query({"engine_id": {"$in": ids}, "submitted": {"$gt": begin}}, keys=[]) == [
        {"msg_id": results[1].msg_ids[0]}
    ]
    assert fresh.db_query({"completed": {"$exists": False}}) == []
    with pytest.raises(ValueError, match=r"\$near"):
        fresh.db_query({"engine_id": {"$near": 1}})


def test_purging(fresh, held):
    view, running, let_go = held
    done = fresh.load_balanced_view(targets=fresh.ids[1]).apply_async(abs, -1)
    done.wait(60)
    with pytest.raises(RuntimeError, match="outstanding"):
        fresh.purge_everything()
    fresh.purge_results(done)
    with pytest.raises(KeyError):
        fresh.get_result(done.msg_ids)
    assert done.get() == 1, "who has it keeps it"
    let_go()
    running.wait(60)
    fresh.purge_results(targets=fresh.ids[0])
    assert fresh.db_query({}) == []
    fresh.purge_hub_results("all")


def test_waiting_with_progress(fresh, capsys):
    fresh.load_balanced_view().map_async(abs, range(5))
    results = [fresh.load_balanced_view().apply_async(time.sleep, 0) for _ in range(3)]
    fresh.wait_interactive(timeout=60)
    assert all(result.ready() for result in results)
