"""Load-balanced views: what tasks ask for, and what they wait for."""

import os

import pytest

import rpar
from rpar import Dependency, error


@pytest.fixture
def lview(client):
    return client.load_balanced_view()


def fail():
    raise ValueError("as asked")


def test_tasks_run_after_others(lview, held_call, tmp_path):
    marker = tmp_path / "marker"
    with held_call() as first:
        with lview.temp_flags(after=first):
            later = lview.apply_async(marker.touch)
            several = lview.map_async(abs, [-1, -2])
        with lview.temp_flags(after=[first.msg_ids[0], later]):
            last = lview.apply_async(marker.exists)
        assert lview.apply_sync(abs, -1) == 1, "an engine is free"
        assert not marker.exists() and not later.ready()
    assert last.get(timeout=60)
    assert several.get(timeout=60) == [1, 2]


def test_some_tasks_of_a_map_are_enough(lview):
    many = lview.map_async(lambda x: 1 // x, [1, 0, 1])
    with lview.temp_flags(after=[many.msg_ids[0], many.msg_ids[2]]):
        assert lview.apply_sync(abs, -1) == 1
    with lview.temp_flags(after=many), pytest.raises(error.ImpossibleDependency):
        lview.apply_sync(abs, -1)
    with lview.temp_flags(after=Dependency(many, all=False)):
        assert lview.apply_sync(abs, -1) == 1
    with lview.temp_flags(after=Dependency(many.msg_ids[1], success=False, failure=True)):
        assert lview.apply_sync(abs, -1) == 1
    with lview.temp_flags(after=Dependency(many, failure=True)):
        assert lview.map_sync(abs, [-1]) == [1]
    with lview.temp_flags(after=Dependency(many.msg_ids[:1], success=False, failure=True)):
        with pytest.raises(error.ImpossibleDependency):
            lview.apply_sync(abs, -1)


def test_what_can_not_be_any_more_says_so(lview):
    bad = lview.apply_async(fail)
    with lview.temp_flags(after=bad):
        result = lview.apply_async(abs, -1)
        mapped = lview.map_async(abs, [-1, -2])
    with pytest.raises(error.ImpossibleDependency, match="this was to run after the success of task"):
        result.get(timeout=60)
    with pytest.raises(error.CompositeError):
        mapped.get(timeout=60)
    assert {type(problem) for problem in mapped.get(return_exceptions=True)} == {error.ImpossibleDependency}
    assert isinstance(result.get(return_exceptions=True), error.UnmetDependency)
    assert bad.get(return_exceptions=True).ename == "ValueError"


def test_message_ids_that_mean_nothing(lview):
    gone = lview.apply_async(abs, -1).msg_ids
    for after in ("somebody_3", "nonsense", gone):
        with lview.temp_flags(after=after), pytest.raises(error.InvalidDependency):
            lview.apply_async(abs, -1)


def test_tasks_follow_others(client, lview):
    for engine in client.ids:
        first = client.load_balanced_view(targets=engine).apply_async(abs, -1)
        with lview.temp_flags(follow=first):
            result = lview.map_async(lambda _: os.getpid(), range(4))
        assert set(result.get()) == {client[engine].apply_sync(os.getpid)}
    both = client[:].apply_async(abs, -1)
    with lview.temp_flags(follow=both), pytest.raises(error.ImpossibleDependency, match="several engines"):
        lview.apply_async(abs, -1)
    with lview.temp_flags(follow=Dependency(both, all=False), targets=client.ids[1]):
        assert lview.apply_sync(os.getpid) == client[client.ids[1]].apply_sync(os.getpid)
    with lview.temp_flags(follow=lview.apply_async(fail)), pytest.raises(error.ImpossibleDependency):
        lview.apply_async(abs, -1)


def test_dependencies():
    ids = {"a", "b"}
    every, some = Dependency(ids), Dependency(ids, all=False)
    failed = Dependency(["a"], success=False, failure=True)
    assert every == ids and every.all and every.success and not every.failure
    for dependency, completed, bad, met, never in [
        (every, {"a"}, set(), False, False),
        (every, ids, set(), True, False),
        (every, {"a"}, {"b"}, False, True),
        (some, {"a"}, set(), True, False),
        (some, set(), {"a"}, False, False),
        (some, set(), ids, False, True),
        (failed, set(), {"a"}, True, False),
        (failed, {"a"}, set(), False, True),
        (Dependency(), set(), set(), True, False),
        (Dependency(ids, failure=True), {"a"}, {"b"}, True, False),
    ]:
        assert (dependency.check(completed, bad), dependency.unreachable(completed, bad)) == (met, never)
    copy = Dependency(failed.as_dict())
    assert (copy, copy.all, copy.success, copy.failure) == (failed, True, False, True)
    with pytest.raises(ValueError):
        Dependency("a", success=False)
    with pytest.raises(TypeError):
        Dependency([3])


def test_flags(client, lview):
    flags = {
        "targets": client.ids,
        "retries": 2,
        "timeout": 60,
        "time": 30.0,
        "priority": -1,
        "rerun": False,
        "cpus": 1,
        "memory_bytes": 1 << 28,
        "track": True,
        "block": True,
    }
    assert lview.set_flags(**flags) is lview
    assert lview.apply(abs, -1) == 1
    assert lview.map(abs, [-1]) == [1]
    for name, value in [
        ("priority", "high"),
        ("cpus", -1),
        ("gpus", 0.5),
        ("memory_bytes", "1G"),
        ("resources", {"disk": -1}),
        ("labels", "gpu"),
        ("after", 3),
        ("follow", [3]),
        ("targets", "some"),
    ]:
        with pytest.raises(ValueError, match=name):
            lview.set_flags(**{name: value})
    with pytest.raises(KeyError, match="no flag 'colour'"):
        lview.set_flags(colour="blue")


def test_what_no_engine_has(client, lview):
    for flags in ({"labels": ["golden"]}, {"gpus": 1000}, {"resources": {"licence": 1}}):
        with lview.temp_flags(**flags), pytest.raises(error.NoEnginesRegistered):
            lview.apply_sync(abs, -1)
    assert not isinstance(lview, rpar.DirectView)
