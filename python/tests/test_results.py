"""What can be asked of results, before and after they are there."""

import concurrent.futures
import datetime
import gc
import io
import sys
import weakref

import pytest
from conftest import until

from rpar import error
from rpar.asyncresult import AsyncMapResult, AsyncResult
from rpar.serialize import APPLY, CALL, CHUNK, argument_bytes, function_bytes


def group_of(client, how, function, arguments):
    """A group of a task for each argument."""
    session = client._session
    group, options = session.group(), client.load_balanced_view()._options()
    session.submit(group, session.define(function_bytes(how, function)), options, [argument_bytes(a) for a in arguments])
    return group


def test_message_ids_are_those_of_the_client(client, lview):
    assert client.history == [] and client.outstanding == set()
    one, many = lview.apply(abs, -1), lview.map(abs, range(3))
    assert one.msg_ids == [client._session_id + "_0"]
    assert one.msg_ids + many.msg_ids == client.history
    assert many.get() == [0, 1, 2] and one.get() == 1
    assert client.outstanding == set()
    assert client._history.find(many.msg_ids[2]) == (many, 2)
    assert client._history.find("another_2") is None


def test_what_has_not_ended_is_outstanding(client, held_call):
    with held_call() as result:
        assert client.outstanding == set(result.msg_ids)
        assert client._history.unfinished.groups() == [result._parts[0][0].group]
    result.get(60)
    assert client.outstanding == set() and client._history.unfinished.groups() == []


def test_groups_that_have_ended_are_let_go(client, lview):
    for _ in range(200):
        lview.apply_sync(abs, -1)
    assert len(client._history.unfinished._groups) < 100
    assert len(client.history) == 200


def test_a_call_on_several_engines_is_a_list(client):
    result = AsyncResult(client, group_of(client, APPLY, abs, [((-1,), {}), ((-2,), {})]), "abs", single=False)
    assert result.get(60) == [1, 2] and list(result) == [1, 2] and len(result.engine_id) == 2


def test_parts_of_unequal_length(client):
    parts = [[(-1,), (-2,), (-3,)], [(-4,)], [(-5,), (-6,)]]
    result = AsyncMapResult(client, group_of(client, CHUNK, abs, parts), "abs", chunks=([3, 1, 2], 6))
    assert len(result) == 6 and list(result) == [1, 2, 3, 4, 5, 6] and result.get() == [1, 2, 3, 4, 5, 6]
    assert result.progress == 6
    lists = AsyncMapResult(client, group_of(client, CALL, lambda x: [x], [(1,), (2,)]), "f", chunks=(1, 2))
    assert lists.get(60) == [[1], [2]] == list(lists)


def test_metadata(client, lview):
    def talk(x):
        import sys
        import time

        print("out", x)
        print("err", x, file=sys.stderr)
        time.sleep(0.01)
        return x

    result = lview.apply(talk, 5)
    assert result.metadata.msg_id == result.msg_ids[0] and result.metadata["submitted"] is not None
    assert result.get(60) == 5
    known = result.metadata
    assert known is result.metadata
    assert known.status == result.status == "ok" and known.error is None
    assert known.engine_id == result.engine_id and known.engine_id in client.ids
    assert known.engine_uuid.endswith("-%d" % known.engine_id) and known.node and known.attempts == 1
    assert known.submitted.tzinfo is datetime.timezone.utc
    assert known.submitted <= known.started < known.completed <= known.received
    assert (known.stdout, result.stderr) == ("out 5\n", "err 5\n")
    assert 0.01 <= result.serial_time <= result.wall_time == result.elapsed
    assert result.timedelta(result.started, result.completed) == pytest.approx(result.serial_time, abs=1e-4)
    assert (known.after, known.follow, known.outputs, known.data, known.execute_result) == (None, None, [], {}, None)
    with pytest.raises(AttributeError):
        known.colour = 1
    with pytest.raises(KeyError):
        known["colour"] = 1
    assert "stdout" in dir(result) and "get" in dir(result)


def test_metadata_of_several(lview):
    result = lview.map(lambda x: print(x) or 1 // x, [1, 0, 2])
    with pytest.raises(error.CompositeError):
        result.get(60)
    assert result.status == ["ok", "error", "ok"] == result["status"]
    assert result.stdout == ["1\n", "0\n", "2\n"]
    assert [bool(each) for each in result.error] == [False, True, False]
    assert [known.msg_id for known in result.metadata] == result.msg_ids
    assert result.timedelta(result.submitted, result.received) == pytest.approx(result.wall_time, abs=1e-4)
    with pytest.raises(KeyError):
        result["colour"]
    with pytest.raises(AttributeError):
        result.colour
    with pytest.raises(TypeError, match="Invalid key type"):
        result[1.5]


def test_what_is_not_there_yet(held_call):
    with held_call() as result:
        assert result.status is None and result.engine_id is None and result.stdout == ""
        assert 0 <= result.elapsed < 60 and result.progress == 0 and len(result) == 1
        for late in ("serial_time", "wall_time"):
            with pytest.raises(TimeoutError):
                getattr(result, late)
        for key in (0, slice(1)):
            with pytest.raises(TimeoutError):
                result[key]
        with pytest.raises(RuntimeError):
            result.successful()
        with pytest.raises(TimeoutError):
            result.get_dict(0.01)
        with pytest.raises(TimeoutError):
            result.display_outputs()
        assert not result.wait(0.01) and not result.wait_for_output(0)
        assert result.sent and result.wait_for_send(0) is None
        assert bool(result)
    assert result.wait(None) and result.wait_for_output() and result.successful()


def test_items_by_number(lview):
    result = lview.map(abs, range(-10, 0), chunksize=3)
    result.wait()
    assert result[0] == 10 and result[-1] == 1 and result[2:4] == [8, 7]
    assert lview.map(abs, []).get() == [] and lview.map(abs, []).wall_time == 0.0


def test_by_engine(client):
    def result_of(function, arguments):
        group, options = client._session.group(), [client.load_balanced_view(targets=e)._options([e]) for e in client.ids]
        for option, argument in zip(options, arguments):
            defined = client._session.define(function_bytes(CALL, function))
            client._session.submit(group, defined, option, [argument_bytes(argument)])
        return AsyncResult(client, group, "f", single=False, targets=client.ids)

    assert result_of(abs, [(-1,), (-2,)]).get_dict(60) == dict(zip(client.ids, [1, 2]))
    failed = result_of(lambda x: 1 // x, [(0,), (1,)])
    with pytest.raises(error.CompositeError) as caught:
        failed.get_dict(60)
    assert len(caught.value.elist) == 1
    one = client.load_balanced_view(targets=client.ids[0])
    assert one.apply(abs, -1).result_dict == {client.ids[0]: 1}
    with pytest.raises(ValueError, match="3 jobs ran on engine #%d" % client.ids[0]):
        one.map(abs, range(3)).get_dict()


def test_exceptions_that_are_returned(lview):
    kept = lview.map(lambda x: 1 // x, [1, 0], return_exceptions=True)
    assert kept.get(60)[0] == 1 and isinstance(kept.result()[1], error.RemoteError)
    assert kept.successful() and kept.exception() is None
    single = lview.apply(lambda: KeyError("as a value"))
    assert isinstance(single.get(60), KeyError) and single.successful()


def test_join_and_split(lview):
    first, second = lview.map(abs, [-1, -2]), lview.apply(abs, -3)
    joined = AsyncResult.join(first, second)
    assert joined.get(60) == [1, 2, 3] and list(joined) == [1, 2, 3] and len(joined) == joined.progress == 3
    assert joined.msg_ids == first.msg_ids + second.msg_ids
    assert AsyncResult.join(*joined.split()).get() == [1, 2, 3]
    assert AsyncResult.join(second) is second and second.split() == (second,)
    # as ipyparallel has them: the part of a map is the list of its task's items
    assert [part.get() for part in first.split()] == [[[1]], [[2]]]
    assert [part.get() for part in lview.map(abs, [-1, -2, -3], chunksize=2).split()] == [[[1, 2]], [[3]]]
    assert len(first.split()[0]) == 1
    with pytest.raises(ValueError):
        AsyncResult.join()


def test_outputs_are_shown(lview, capsys):
    result = lview.map(print, ["a", "b"])
    result.wait()
    result.display_outputs()
    one, other = result.engine_id
    label = "" if one == other else "[stdout:%d]\n" % other
    assert capsys.readouterr().out == "[stdout:%d]\na\n%sb\n" % (one, label)
    single = lview.apply(print, "alone")
    single.wait()
    single.display_outputs("engine")
    assert capsys.readouterr().out == "alone\n"
    with pytest.raises(ValueError, match="groupby"):
        single.display_outputs("colour")


def test_results_that_nobody_has_are_let_go(client, lview):
    result = lview.map(abs, range(10))
    result.wait()
    known = weakref.ref(result)
    del result
    lview.apply_sync(abs, -1)
    gc.collect()
    assert known() is None
    lview.apply_sync(abs, -1)
    assert len(client._history.unfinished._groups) <= 2


def test_several_threads_iterate(lview):
    result = lview.map(lambda x: x, range(5000), ordered=False)
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(lambda _: sorted(result), range(4)))
    assert seen == [list(range(5000))] * 4


def test_output_is_shown_as_it_comes(lview, monkeypatch, tmp_path):
    def talk(gate):
        import os
        import time

        print("early ü", end="", flush=True)
        while not os.path.exists(gate):
            time.sleep(0.005)
        print(", late")

    shown = io.StringIO()
    monkeypatch.setattr(sys, "stdout", shown)
    result = lview.apply(talk, str(tmp_path / "gate"))
    with result.stream_output():
        until(lambda: shown.getvalue() == "early ü")
        (tmp_path / "gate").touch()
        result.get(60)
    assert shown.getvalue() == "early ü, late\n"
    with result.stream_output():
        pass
    assert shown.getvalue() == "early ü, late\n" * 2, "what was printed before"


def test_output_of_several_has_labels(lview, capfd, held_call):
    result = lview.map(print, range(3))
    with result.stream_output():
        result.wait()
    shown = capfd.readouterr().out
    assert sorted(line for line in shown.splitlines() if not line.startswith("[")) == ["0", "1", "2"]
    assert shown.startswith("[stdout:")
    with held_call() as running, running.stream_output():
        pass
    assert capfd.readouterr().out == ""
