"""What views know of their tasks."""

import pytest

from rpar import error
from rpar.submitted import Runs


def test_each_view_has_its_own_history(client):
    lview, dview = client.load_balanced_view(), client[:]
    first = lview.apply_async(abs, -1)
    pushed = dview.push({"a": 1})
    mapped = lview.map_async(abs, range(3))
    assert lview.history == first.msg_ids + mapped.msg_ids
    assert dview.history == pushed.msg_ids and len(dview.history) == 2
    remote = lview.remote(block=True)(abs)
    assert remote(-1) == 1
    assert len(lview.history) == 5, "also what passed through a copy of it"
    assert list(lview.imap(abs, range(2))) == [0, 1]
    assert len(lview.history) == 7
    assert lview.wait() and not lview.outstanding
    assert client.history[:3] == first.msg_ids + pushed.msg_ids


def test_waiting_and_results(client, held_call):
    lview, other = client.load_balanced_view(), client.load_balanced_view()
    done = lview.map_async(lambda x: 6 // x, [1, 0, 2])
    with held_call(lview) as held:
        assert other.wait(timeout=0), "nothing of this view is open"
        assert not lview.wait(timeout=0.01)
        assert lview.wait(done, timeout=60) and lview.wait([0, 1, 2]) and lview.wait(done.msg_ids[0])
        assert lview.outstanding == set(held.msg_ids) and not other.outstanding
        assert not lview.get_result(block=False).ready()
        assert dict.fromkeys(lview.results) == dict.fromkeys(done.msg_ids)
    assert lview.wait(timeout=60)
    assert lview.get_result().get() == 42
    assert lview.get_result(-1).get() == 42
    assert lview.results[held.msg_ids[0]] == 42
    assert len(lview.results) == 4 and len(other.results) == 0
    with pytest.raises(KeyError):
        lview.results["nothing"]


def test_abort_is_for_the_tasks_of_the_view(client, held_call):
    lview, other = client.load_balanced_view(), client.load_balanced_view()
    with held_call(lview) as held:
        other.abort(block=True)
        assert not held.ready()
        other.abort(held)
        with pytest.raises(error.TaskAborted):
            held.get(timeout=60)
        later = lview.map_async(abs, range(3))
        lview.wait(later)
        lview.abort()
        assert later.get() == [0, 1, 2]


def test_the_queues_of_its_engines(client):
    first = client.ids[0]
    client[:].apply_sync(abs, -1)
    assert set(client[[first]].queue_status()) - {"unassigned"} == {first}
    assert set(client.load_balanced_view().queue_status()) >= set(client.ids)


def test_runs():
    runs = Runs()
    for first, count in [(0, 2), (2, 3), (10, 1), (7, 2), (11, 1)]:
        runs.add(first, count)
    assert list(runs) == [0, 1, 2, 3, 4, 7, 8, 10, 11]
    assert [number for number in range(-1, 13) if number in runs] == list(runs)
