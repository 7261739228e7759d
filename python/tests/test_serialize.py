"""What can be sent to engines, and what is said of what cannot."""

import subprocess
import sys
import textwrap
import threading
import types

import cloudpickle
import pytest

import rpar
from rpar import error, serialize


@pytest.fixture
def dill(client):
    assert client[:].use_dill().get() == [None, None]
    yield
    assert client[:].use_pickle().get() == [None, None]


def run(script, cwd=None, env=None):
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, cwd=cwd, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_a_main_program_defines(client, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import collections, dataclasses, enum, functools, operator
            import numpy
            import rpar

            class Meta(type):
                def __call__(cls, *args):
                    made = super().__call__(*args)
                    made.made_by = cls.__name__
                    return made

            class Point(metaclass=Meta):
                def __init__(self, x):
                    self.x = x
                def plus(self, y):
                    return Point(self.x + y)
                @staticmethod
                def zero():
                    return Point(0)

            Pair = collections.namedtuple("Pair", "a b")

            @dataclasses.dataclass
            class Data:
                x: int

            class Colour(enum.Enum):
                RED = 1

            def factorial(n):
                return 1 if n < 2 else n * factorial(n - 1)

            def counter():
                count = 10
                def more(x):
                    nonlocal count
                    count += x
                    return count
                return more

            with rpar.Client() as client:
                view = client.load_balanced_view()
                moved = view.apply_sync(Point(1).plus, 2)
                print(type(moved) is Point, moved.x, moved.made_by)
                print(view.apply_sync(Point.zero).x, view.apply_sync(Point, 5).x)
                print(view.map_sync(functools.partial(pow, 2), [3, 4]), view.apply_sync(operator.itemgetter(1), "ab"))
                print(view.apply_sync(factorial, 10), view.apply_sync(counter(), 1))
                print(view.apply_sync(lambda p: p._replace(a=0), Pair(1, 2)), view.apply_sync(lambda d: d, Data(3)))
                print(view.apply_sync(lambda c: c, Colour.RED) is Colour.RED)
                print(view.map_sync(numpy.sqrt, [4.0, 9.0]) == [2.0, 3.0], view.apply_sync(numpy.add, 1, 2) == 3)
                print(view.apply_sync(lambda kind: kind(7).x, Point), view.apply_sync(str.upper, "a"))
            """
        )
    )
    assert run(script) == [
        "True 3 Point",
        "0 5",
        "[8, 16] b",
        "3628800 11",
        "Pair(a=0, b=2) Data(x=3)",
        "True",
        "True True",
        "7 A",
    ]


def test_modules_beside_the_script_and_where_it_looks(client, tmp_path):
    """Wherever the program was started; engines were started somewhere else."""
    for place in ("scripts", "added", "variable", "working"):
        (tmp_path / place).mkdir()
        source = "class Kind:\n    def __init__(self, x):\n        self.x = x\n\ndef made(x):\n    return Kind(x + 1)\n"
        (tmp_path / place / ("rpar_in_%s.py" % place)).write_text(source)
    script = tmp_path / "scripts" / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys
            import rpar
            sys.path += [%r, "."]
            import rpar_in_scripts, rpar_in_added, rpar_in_variable, rpar_in_working

            with rpar.Client() as client:
                for module in (rpar_in_scripts, rpar_in_added, rpar_in_variable, rpar_in_working):
                    for view in (client.load_balanced_view(), client[:]):
                        kinds = view.map_sync(module.made, [1, 2])
                        assert all(type(kind) is module.Kind for kind in kinds)
                        assert view.map_sync(lambda kind: kind.x, kinds) == [2, 3]
                    client[:].push({"kind": module.Kind(5)}, block=True)
                    print(client[client.ids[0]]["kind.x"])
            """
            % str(tmp_path / "added")
        )
    )
    environment = {**__import__("os").environ, "PYTHONPATH": str(tmp_path / "variable")}
    assert run(script, cwd=tmp_path / "working", env=environment) == ["5"] * 4


@pytest.fixture
def only_here():
    """A module that no engine can import."""
    module = types.ModuleType("rpar_only_here")
    sys.modules[module.__name__] = module
    exec("class Kind:\n    x = 1\n\ndef same(kind):\n    assert type(kind) is Kind\n    return kind\n", vars(module))
    yield module
    del sys.modules[module.__name__]


def test_modules_that_engines_cannot_import(lview, only_here):
    for call in (
        lambda: lview.apply_sync(only_here.same, 1),
        lambda: lview.apply_sync(id, only_here.Kind()),
    ):
        with pytest.raises(error.RemoteError) as caught:
            call()
        assert caught.value.ename == "ModuleNotFoundError"
        text = caught.value.evalue
        assert text.startswith("No module named 'rpar_only_here'; here it is"), text
        assert "cloudpickle.register_pickle_by_value(rpar_only_here)" in text and "[engines] setup" in text
    cloudpickle.register_pickle_by_value(only_here)
    try:
        kind = lview.apply_sync(only_here.same, only_here.Kind())
        assert type(kind) is only_here.Kind
        kinds = lview.map_sync(only_here.same, [only_here.Kind(), only_here.Kind()])
        assert [type(kind) for kind in kinds] == [only_here.Kind] * 2
    finally:
        cloudpickle.unregister_pickle_by_value(only_here)


def test_other_imports_that_fail_are_told_as_they_are(lview):
    def wants():
        import no_such_module_anywhere

        return no_such_module_anywhere

    with pytest.raises(error.RemoteError) as caught:
        lview.apply_sync(wants)
    assert caught.value.evalue == "No module named 'no_such_module_anywhere'"


def test_what_cannot_be_sent_says_so(lview):
    for call in (
        lambda: lview.apply_sync(sum, (x for x in [1])),
        lambda: lview.map_sync(sum, [(x for x in [1])]),
        lambda: lview.map_sync(sum, [(x for x in [1])], chunksize=2),
    ):
        with pytest.raises(
            TypeError, match="cannot be sent to engines: .*generator.*; a list of the generator's items can"
        ):
            call()
    with pytest.raises(TypeError, match="cannot be sent to engines: .*lock"):
        lview.apply_sync(lambda lock: None, threading.Lock())
    with pytest.raises(error.RemoteError, match="generator"):
        lview.apply_sync(lambda: (x for x in [1]))


def test_dill_sends_what_cloudpickle_cannot(client, lview, dill):
    lock = threading.Lock()
    assert lview.apply_sync(lambda lock: lock.locked(), lock) is False
    assert lview.map_sync(lambda x: (lock.locked(), x), [1, 2]) == [(False, 1), (False, 2)], "in a closure"
    assert type(lview.apply_sync(threading.Lock)) is type(lock)
    assert [type(made) for made in lview.map_sync(lambda _: threading.Lock(), range(3), chunksize=2)] == [
        type(lock)
    ] * 3
    assert lview.apply_sync(divmod, 7, 2) == (3, 1)
    with pytest.raises(TypeError, match="generator"):
        lview.apply_sync(sum, (x for x in [1]))
    with pytest.raises(ZeroDivisionError):
        try:
            lview.apply_sync(lambda: 1 // 0)
        except error.RemoteError as problem:
            raise problem.exception from None


def test_dill_ends(client, lview, dill):
    assert client.load_balanced_view().use_cloudpickle().get() == [None, None]
    with pytest.raises(TypeError):
        lview.apply_sync(id, threading.Lock())
    assert rpar.serialize is serialize


def test_own_paths_are_what_no_installation_has(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(sys, "path", ["", "here", str(tmp_path / "none"), threading.__file__, *sys.path])
    paths = serialize.own_paths()
    assert paths[:2] == [str(tmp_path), str(tmp_path / "here")]
    assert len(set(paths)) == len(paths)
    assert not any("site-packages" in path or path.endswith(".py") for path in paths)
