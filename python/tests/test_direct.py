"""Direct views: tasks on chosen engines, and their namespaces."""

import os
import sys

import pytest

import rpar
from rpar import error


@pytest.fixture
def dview(client):
    view = client[:]
    yield view
    view.clear(block=True)


@pytest.fixture
def one(client):
    view = client[client.ids[0]]
    yield view
    view.clear(block=True)


def test_which_engines_are_meant(client):
    first, last = client.ids
    for key, targets in [
        (first, first),
        (-1, last),
        (slice(None), [first, last]),
        (slice(1, None), [last]),
        ([last, first], [last, first]),
        ((first,), [first]),
        ("all", "all"),
    ]:
        assert client[key].targets == targets, key
    assert client.direct_view().targets == "all"
    assert [view.targets for view in client] == client.ids
    assert [len(view) for view in (client[first], client[:], client.direct_view(), client[[last]])] == [1, 2, 2, 1]
    for key in (last + 10, [first, last + 10]):
        with pytest.raises(IndexError, match="no such engine: %d" % (last + 10)):
            client[key]
    for key in ("some", 1.5, ["a"], True):
        with pytest.raises(TypeError):
            client[key]
    assert client.load_balanced_view("all").targets is None
    assert client.load_balanced_view(slice(0, 1)).targets == [first]


def test_apply_runs_once_on_each_engine(client):
    pids = client[:].apply_sync(os.getpid)
    assert len(set(pids)) == 2
    assert client[client.ids[1]].apply_sync(os.getpid) == pids[1]
    assert client[client.ids[::-1]].apply_sync(os.getpid) == pids[::-1]
    assert client[[client.ids[0]]].apply_sync(os.getpid) == pids[:1], "a list, even of one"
    result = client.direct_view().apply_async(os.getpid)
    assert result.get(timeout=60) == pids
    assert result.engine_id == client.ids
    assert client.direct_view(block=True).apply(divmod, 7, 2) == [(3, 1)] * 2


def test_apply_takes_any_name_for_an_argument(one):
    assert one.apply_sync(lambda **names: sorted(names), f=1, self=2, args=3) == ["args", "f", "self"]


def test_failures_name_their_engines(client):
    with pytest.raises(error.CompositeError) as caught:
        client[:].apply_sync(lambda: 1 // 0)
    assert [info["engine_id"] for _, _, _, info in caught.value.elist] == client.ids
    with pytest.raises(error.RemoteError) as single:
        client[client.ids[0]].apply_sync(lambda: 1 // 0)
    assert single.value.ename == "ZeroDivisionError"


def test_push_and_pull(dview, one):
    assert dview.push({"a": 5, "b": [1, 2]}, block=True) == [None, None]
    assert dview["a"] == [5, 5]
    assert one["b"] == [1, 2]
    assert dview.pull(["a", "b"], block=True) == [[5, [1, 2]]] * 2
    assert dview.get("b[0] + a") == [6, 6], "an expression of names"
    one["a"] = 6
    assert dview.pull("a").get() == [6, 5]
    dview.update({"a": 7}).get()
    assert one.get("a") == 7
    dview.push({"a": 8}, targets=one.targets, block=True)
    assert dview.pull("a", targets="all", block=True) == [8, 7]
    assert dview.pull("a", targets=one.targets, block=True) == 8
    with pytest.raises(TypeError):
        dview.push([1])
    with pytest.raises(TypeError):
        dview.pull([1])
    with pytest.raises(error.CompositeError) as caught:
        dview["missing"]
    assert [entry[:2] for entry in caught.value.elist] == [("NameError", "name 'missing' is not defined")] * 2


def test_clear(dview):
    dview["a"] = 1
    dview.clear(block=True)
    with pytest.raises(error.CompositeError):
        dview["a"]
    assert dview.apply_sync(abs, -1) == [1, 1]


def test_execute(dview, one):
    result = dview.execute("import math\na = math.floor(2.5)")
    assert result.get() == [None, None]
    assert dview["a"] == [2, 2]
    reply = one.execute("b = a + 1\nb", silent=False).get()
    assert isinstance(reply, rpar.on_engine.ExecuteReply)
    assert reply.data == {"text/plain": "3"} and repr(reply).endswith("]: 3>")
    assert one.execute("b", silent=True).get() is None
    assert one.execute("b;", silent=False).get() is None
    assert one.execute("", silent=False).get() is None
    one.execute("class Shown:\n    def _repr_html_(self):\n        return '<b>here</b>'", block=True)
    assert one.execute("Shown()", silent=False).get().data["text/html"] == "<b>here</b>"
    with pytest.raises(error.RemoteError, match="ZeroDivisionError"):
        one.execute("1 / 0", block=True)
    with pytest.raises(error.RemoteError, match="SyntaxError"):
        one.execute("1 +", block=True)


def test_tracebacks_show_what_was_executed(one):
    one.execute("def inverse(x):\n    return 1 // x  # the line", block=True)
    with pytest.raises(error.RemoteError) as caught:
        one.execute("inverse(0)", block=True)
    assert "return 1 // x  # the line" in caught.value.traceback


def test_run(dview, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("def twice(x):\n    return 2 * x\n\nif __name__ == '__main__':\n    ran = twice(21)\n    ")
    dview.run(script, block=True)
    assert dview["ran"] == [42, 42]
    script.write_text("ran = missing")
    with pytest.raises(error.CompositeError) as caught:
        dview.run(str(script), block=True)
    assert 'script.py", line 1' in caught.value.elist[0][2]
    with pytest.raises(OSError):
        dview.run(tmp_path / "none.py")


@pytest.mark.parametrize("sequence", [list(range(7)), tuple(range(7)), range(7)], ids=["list", "tuple", "range"])
@pytest.mark.parametrize("dist, first", [("b", [0, 1, 2, 3]), ("r", [0, 2, 4, 6])])
def test_scatter_and_gather(dview, sequence, dist, first):
    assert dview.scatter("part", sequence, dist=dist, block=True) is None
    assert list(dview["part"][0]) == first
    assert dview.gather("part", dist=dist, block=True) == list(range(7))
    assert list(dview.gather("part", dist=dist)) == list(range(7))


def test_scatter_flattens_single_items(dview, client):
    result = dview.scatter("rank", range(2), flatten=True)
    assert result.get() == [None, None]
    assert dview["rank"] == [0, 1]
    assert dview.gather("rank", block=True) == [0, 1]
    dview.scatter("rank", (x for x in [5]), flatten=True, block=True)
    assert dview["rank"] == [5, []]
    with pytest.raises(ValueError):
        dview.scatter("rank", [1], dist="x")


@pytest.mark.parametrize("dist", ["b", "r"])
def test_arrays_stay_arrays(dview, dist):
    import numpy

    array = numpy.arange(10, dtype="int16").reshape(5, 2)
    dview.scatter("part", array, dist=dist, block=True)
    shapes = [part.shape for part in dview["part"]]
    assert shapes == [(3, 2), (2, 2)]
    gathered = dview.gather("part", dist=dist, block=True)
    assert gathered.dtype == array.dtype and (gathered == array).all()
    doubled = dview.map_sync(lambda row: row * 2, array)
    assert (numpy.array(doubled) == array * 2).all()


def test_a_gather_tells_of_failures(dview, one):
    one["part"] = [1]
    result = dview.gather("part")
    with pytest.raises(error.CompositeError):
        result.get()
    first, second = result.get(return_exceptions=True)
    assert first == [1] and isinstance(second, error.RemoteError)


def test_map(dview, client):
    result = dview.map(lambda x: (x, __import__("os").getpid()), range(7))
    assert len(result) == 7
    assert result.progress <= 7
    numbers, pids = zip(*result.get())
    assert numbers == tuple(range(7))
    here, there = dview.apply_sync(os.getpid)
    assert pids == (here,) * 4 + (there,) * 3, "contiguous parts"
    assert result.progress == 7
    assert dview.map_sync(pow, [2, 3], iter([2, 2, 2])) == [4, 9]
    assert dview.map_sync(abs, [-1]) == [1]
    assert dview.map(abs, []).get() == []
    assert dview.map_sync(str.upper, {"a": 1, "b": 2}) == ["A", "B"]
    assert dview.map(abs, [-1, -2], block=True) == [1, 2]
    assert client[client.ids[0]].map_sync(abs, range(-3, 0)) == [3, 2, 1]


def test_map_in_chunks(dview):
    result = dview.map(lambda x: -x, range(7), chunksize=2)
    assert result.get() == [-x for x in range(7)]
    assert result.engine_id == [*dview.targets, *dview.targets]
    assert list(result) == [-x for x in range(7)]
    assert sorted(dview.map(abs, range(7), chunksize=1, ordered=False)) == list(range(7))
    kept = dview.map(lambda x: 6 // x, [3, 0, 2, 1], chunksize=1, return_exceptions=True).get()
    assert kept[0] == 2 and isinstance(kept[1], error.RemoteError) and kept[2:] == [3, 6]


def test_tasks_of_an_engine_run_in_order(one):
    results = [one.push({"last": n}) for n in range(200)]
    with one.temp_flags(timeout=60, retries=1):
        assert one.apply_sync(lambda: __import__("__main__").last) == 199
    assert all(result.get() is None for result in results)


def test_sync_imports(dview, capsys):
    with dview.sync_imports():
        import json.decoder as reader
        import os.path
        from math import floor, pi as number
    printed = capsys.readouterr().out
    assert "importing json.decoder as reader on engine(s)" in printed
    assert reader is sys.modules["json.decoder"] and os.path and floor(number) == 3
    assert dview["reader.__name__"] == ["json.decoder"] * 2
    assert dview["os.path.sep, floor(number)"] == [("/", 3)] * 2
    with dview.importer:
        import bisect
    assert dview["bisect.__name__"] == ["bisect"] * 2 and bisect


def test_imports_that_engines_cannot_do(dview, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("import sys\nassert hasattr(sys, 'this_one')")
    monkeypatch.setattr(sys, "this_one", True, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(error.CompositeError, match="AssertionError"):
        with dview.sync_imports(quiet=True):
            import only_here
    assert only_here
    with pytest.raises(ImportError):
        with dview.sync_imports(quiet=True):
            import no_such_module  # noqa: F401


def test_broadcast_is_direct(client):
    view = client.broadcast_view()
    assert isinstance(view, rpar.DirectView)
    assert len(set(view.apply_sync(os.getpid))) == 2
