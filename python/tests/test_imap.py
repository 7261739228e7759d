"""Maps over inputs that are taken as they are needed."""

import gc
import itertools
import os
import threading

import pytest
from conftest import until

import rpar
from rpar import error


def wait_for(path):
    """Ends once a file is there, and gives its name."""
    import os
    import time

    deadline = time.monotonic() + 60
    while not os.path.exists(path):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return os.path.basename(path)


def test_results_are_those_of_map(lview):
    assert list(lview.imap(abs, range(-5, 0))) == [5, 4, 3, 2, 1]
    assert list(lview.imap(pow, [2, 3], itertools.repeat(2))) == [4, 9]
    assert sorted(lview.imap(abs, range(-50, 0), ordered=False)) == list(range(1, 51))
    assert list(lview.imap(abs, [])) == []
    assert list(lview.imap(abs, range(-7, 0), chunksize=3)) == [7, 6, 5, 4, 3, 2, 1]
    assert list(lview.imap(abs, range(-7, 0), max_outstanding=0)) == [7, 6, 5, 4, 3, 2, 1]
    assert list(lview.imap(abs, range(-7, 0), max_outstanding=1)) == [7, 6, 5, 4, 3, 2, 1]
    assert list(lview.imap(abs, range(-3000, 0))) == list(range(3000, 0, -1)), "the window grows"


def test_direct_views_have_it_too(client):
    assert list(client[:].imap(abs, range(-3, 0))) == [3, 2, 1]


@pytest.mark.parametrize("ordered", [True, False])
def test_endless_inputs_are_taken_no_further_than_allowed(lview, ordered):
    taken = []

    def numbers():
        for number in itertools.count():
            taken.append(number)
            yield number

    results = lview.imap(abs, numbers(), ordered=ordered, max_outstanding=4)
    until(lambda: len(taken) == 4)
    got = [next(results) for _ in range(10)]
    until(lambda: len(taken) >= 14)
    assert len(set(got)) == 10
    results.close()
    assert len(taken) <= 15, "one may be on its way"
    assert list(results) == []


def test_unordered_results_come_as_they_end(lview, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    second.touch()
    results = lview.imap(wait_for, map(str, [first, second]), ordered=False)
    assert next(results) == "second"
    first.touch()
    assert list(results) == ["first"]


def test_inputs_may_depend_on_results(lview):
    seen = threading.Semaphore(1)

    def numbers():
        for number in range(5):
            assert seen.acquire(timeout=60)
            yield number

    for result in lview.imap(abs, numbers()):
        seen.release()
    assert result == 4


def test_cancel_takes_no_more_but_keeps_what_was_submitted(lview, tmp_path):
    gate = tmp_path / "gate"
    results = lview.imap(wait_for, itertools.repeat(str(gate)), max_outstanding=3)
    until(lambda: len(lview.client.outstanding) == 3)
    results.cancel()
    gate.touch()
    assert list(results) == ["gate"] * 3


@pytest.mark.parametrize("how", ["close", "with", "drop"])
def test_what_nobody_wants_is_cancelled(client, how, tmp_path):
    lview = client.load_balanced_view()
    never = str(tmp_path / "never")
    before = {thread.name for thread in threading.enumerate()}
    results = lview.imap(wait_for, itertools.repeat(never), ordered=how != "drop", max_outstanding=3)
    until(lambda: len(client.outstanding) == 3)
    if how == "close":
        results.close()
    elif how == "with":
        with results:
            pass
    del results
    gc.collect()
    until(lambda: not client.outstanding)
    until(lambda: "rpar-imap" not in {thread.name for thread in threading.enumerate()} - before)
    assert lview.apply_sync(abs, -1) == 1


def test_failures(lview):
    with pytest.raises(error.RemoteError, match="ZeroDivisionError"):
        list(lview.imap(lambda x: 1 // x, [1, 0, 1]))
    for chunksize in (1, 2):
        kept = list(lview.imap(lambda x: 1 // x, [1, 1, 0], chunksize=chunksize, return_exceptions=True))
        assert kept[:2] == [1, 1] and isinstance(kept[2], error.RemoteError)
    results = lview.imap(lambda x: 6 // x, [1, 0, 2])
    assert next(results) == 6
    with pytest.raises(error.RemoteError):
        next(results)
    assert next(results) == 3, "it goes on"
    with pytest.raises(StopIteration):
        next(results)


@pytest.mark.parametrize("ordered", [True, False])
def test_failures_of_the_inputs_come_last(lview, ordered):
    def numbers():
        yield 1
        yield 2
        raise LookupError("no more")

    got = []
    with pytest.raises(LookupError, match="no more"):
        for result in lview.imap(abs, numbers(), ordered=ordered):
            got.append(result)
    assert sorted(got) == [1, 2]
    results = lview.imap(abs, [-1, threading.Lock()])
    assert next(results) == 1
    with pytest.raises(TypeError, match="cannot be sent"):
        next(results)


def test_what_cannot_be_is_refused_at_once(lview):
    for refused, call in [
        (TypeError, lambda: lview.imap(3, [1])),
        (TypeError, lambda: lview.imap(abs)),
        (TypeError, lambda: lview.imap(lambda x, lock=threading.Lock(): x, [1])),
        (ValueError, lambda: lview.imap(abs, [1], max_outstanding=-1)),
        (ValueError, lambda: lview.imap(abs, [1], chunksize=0)),
    ]:
        with pytest.raises(refused):
            call()


def test_flags_hold(client):
    engine = client.ids[1]
    pids = set(client.load_balanced_view(targets=engine).imap(lambda _: os.getpid(), range(20)))
    assert pids == {client[engine].apply_sync(os.getpid)}
    assert rpar.LoadBalancedView.imap is not rpar.DirectView.imap
