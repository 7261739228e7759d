"""Functions that are called here and run on engines."""

import functools
import inspect
import os
import subprocess
import sys
import textwrap

import pytest

import rpar
from rpar import error


@pytest.fixture
def dview(client):
    view = client[:]
    yield view
    view.clear(block=True)


def test_remote(client, dview, lview):
    @lview.remote(block=True)
    def add(x, y=1):
        """Adds."""
        return x + y

    assert add(1) == 2 and add(1, y=2) == 3
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    assert list(inspect.signature(add).parameters) == ["x", "y"]
    assert isinstance(add, rpar.RemoteFunction)

    pid = rpar.remote(dview)(os.getpid)
    result = pid()
    assert isinstance(result, rpar.AsyncResult)
    assert len(set(result.get())) == 2
    assert rpar.remote(dview, block=True)(abs)(-1) == [1, 1]
    dview.block = True
    assert rpar.remote(dview)(abs)(-1) == [1, 1], "as the view"
    assert rpar.remote(dview, block=False)(abs)(-1).get() == [1, 1]


def test_flags_are_for_these_calls_alone(client, lview):
    first, last = client.ids

    @lview.remote(block=True, targets=last)
    def pid():
        return os.getpid()

    assert pid() == client[last].apply_sync(os.getpid)
    assert lview.targets is None and not lview.block
    with pytest.raises(KeyError):
        lview.remote(colour="blue")(abs)(1)


def test_parallel_calls_with_parts(dview, lview):
    @dview.parallel(block=True)
    def double(part):
        return [2 * x for x in part]

    assert double(range(5)) == [0, 2, 4, 6, 8]
    assert double(x for x in range(5)) == [0, 2, 4, 6, 8]
    assert double([]) == []
    with pytest.raises(TypeError):
        double(part=[1])

    assert rpar.parallel(dview, block=True)(len)(range(5)) == [3, 2], "what is no sequence stands in a list"
    assert rpar.parallel(dview, dist="r", block=True)(list)(range(5)) == [0, 1, 2, 3, 4]
    assert rpar.parallel(dview, dist="r", block=True)(max)(range(5)) == [4, 3]
    assert rpar.parallel(lview, block=True)(list)(range(3)) == [0, 1, 2]
    assert lview.parallel(block=True, chunksize=2)(sum)(range(5)) == [1, 5, 4]
    result = lview.parallel()(sum)(range(3))
    assert result.get() == [0, 1, 2] and list(result) == [0, 1, 2]

    dot = rpar.parallel(dview, block=True)(lambda xs, ys: [x * y for x, y in zip(xs, ys)])
    assert dot([1, 2, 3], [4, 5, 6]) == [4, 10, 18]
    with pytest.raises(ValueError, match=r"\[1, 2\]"):
        dot([1], [1, 2])
    with pytest.raises(ValueError):
        dview.parallel(dist="x")(len)


def test_parallel_joins_arrays(dview):
    import numpy

    array = numpy.arange(6.0).reshape(3, 2)
    for dist in "br":
        halved = dview.parallel(dist=dist, block=True)(lambda part: part / 2)(array)
        assert (halved == array / 2).all() and halved.shape == array.shape


def test_parallel_maps_items(dview, lview):
    for view in (dview, lview):
        square = view.parallel(block=True)(lambda x: x * x)
        assert isinstance(square, rpar.ParallelFunction)
        assert square.map(range(5)) == [0, 1, 4, 9, 16]
        assert square.map([]) == []
        result = view.parallel(block=False, ordered=False, chunksize=2)(abs).map([-3, -2, -1])
        assert isinstance(result, rpar.AsyncMapResult) and sorted(result) == [1, 2, 3]
    kept = lview.parallel(block=True, return_exceptions=True)(lambda x: 1 // x).map([1, 0])
    assert kept[0] == 1 and isinstance(kept[1], error.RemoteError)


def test_depend(dview, lview, tmp_path):
    there = tmp_path / "there"
    there.touch()
    checked = rpar.depend(os.path.exists, str(there))(lambda x: -x)
    assert checked(1) == -1, "here, as it is"
    assert dview.apply_sync(checked, 1) == [-1, -1]
    assert lview.map_sync(checked, range(3)) == [0, -1, -2]
    assert dview.map_sync(checked, range(3)) == [0, -1, -2]
    there.unlink()
    with pytest.raises(error.CompositeError) as caught:
        dview.apply_sync(checked, 1)
    assert [entry[0] for entry in caught.value.elist] == ["UnmetDependency"] * 2

    @rpar.depend(lambda: None)
    def fine():
        return "only False keeps it from running"

    assert fine.__name__ == "fine"
    assert dview.apply_sync(fine)[0].startswith("only")


def test_require(dview):
    def half(x):
        return x / 2

    @rpar.require("string", functools, half, offset=10)
    def quarter(x):
        import __main__

        names = vars(__main__)
        assert names["string"].digits and names["functools"].partial
        return names["half"](names["half"](x)) + names["offset"]

    assert dview.apply_sync(quarter, 8) == [12, 12]
    assert dview["offset"] == [10, 10]
    with pytest.raises(error.CompositeError, match="UnmetDependency: no_such_module"):
        dview.apply_sync(rpar.require("no_such_module")(abs), 1)
    with pytest.raises(TypeError):
        rpar.require(3)


def test_interactive_functions_use_the_namespace():
    def scaled(x, *, factor=2):
        """Scales."""
        return x * factor

    bound = rpar.interactive(scaled)
    assert bound.__module__ == "__main__" and bound.__name__ == "scaled" and bound.__doc__ == "Scales."
    assert bound(3) == 6 and bound(3, factor=3) == 9
    assert bound.__globals__ is vars(__import__("__main__"))


def test_what_is_required_is_there_for_the_main_program(client, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import rpar

            @rpar.require("os.path", unit=3)
            @rpar.depend(lambda: True)
            @rpar.require("json")
            def named(x):
                return json.dumps([x * unit, os.path.sep])

            with rpar.Client() as client:
                print(client.load_balanced_view().map_sync(named, [1, 2]))
                client[:].clear(block=True)
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.stdout == """['[3, "/"]', '[6, "/"]']\n""", done.stderr
