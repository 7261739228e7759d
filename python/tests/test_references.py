"""Names of the engines' namespaces in arguments, and as functions."""

import pickle

import pytest

import rpar
from rpar import Reference, error


@pytest.fixture
def dview(client):
    view = client[:]
    view.scatter("n", [3, 4], flatten=True, block=True)
    yield view
    view.clear(block=True)


def test_references_become_what_they_name(dview):
    def given(*args, **kwargs):
        return args, kwargs

    assert dview.apply_sync(given, Reference("n")) == [((3,), {}), ((4,), {})]
    nested = [Reference("n"), {"deep": (Reference("n * 2"),)}]
    assert dview.apply_sync(given, nested, key=Reference("-n")) == [
        (([n, {"deep": (2 * n,)}],), {"key": -n}) for n in (3, 4)
    ]


def test_references_among_the_items_of_a_map(client, dview):
    lview = client.load_balanced_view(targets=client.ids[1])
    assert lview.map_sync(pow, [Reference("n"), 5], [2, 2]) == [16, 25]
    assert lview.map_sync(pow, [Reference("n"), 5], [2, 2], chunksize=2) == [16, 25]
    assert dview.map_sync(abs, [Reference("n"), Reference("n")]) == [3, 4]


def test_a_reference_is_looked_up_at_each_call(client, dview):
    dview.execute("def f(x, y=0):\n    return x * n + y", block=True)
    f = Reference("f")
    assert dview.apply_sync(f, 10) == [30, 40]
    assert dview.apply_sync(f, 10, y=1) == [31, 41]
    assert dview.map_sync(f, [1, 1, 1, 1], [0, 1, 0, 1]) == [3, 4, 4, 5]
    dview.execute("def f(x):\n    return -x", block=True)
    assert dview.apply_sync(f, 10) == [-10, -10]
    lview = client.load_balanced_view()
    assert lview.map_sync(f, range(3)) == [0, -1, -2]
    assert lview.apply_sync(f, 1) == -1


def test_a_name_that_is_not_there(dview):
    with pytest.raises(error.CompositeError) as caught:
        dview.apply_sync(abs, Reference("missing"))
    assert [entry[0] for entry in caught.value.elist] == ["NameError"] * 2


def test_they_need_nothing_on_the_engines():
    data = pickle.dumps([Reference("n")])
    assert b"rpar" not in data
    assert b"__main__" not in data, "which would be taken for something of this program"
    assert repr(Reference("n")) == "<Reference: 'n'>"
    with pytest.raises(TypeError):
        Reference(3)
    assert rpar.Reference is Reference
