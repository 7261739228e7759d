"""Functions, arguments and results on their way there and back."""

import os
import subprocess
import sys
import textwrap
import time

import pytest

import rpar


def test_the_engines_are_those_of_the_cluster(client):
    ids = client.ids
    assert len(ids) == 2 and ids == sorted(ids)
    assert len(client) == 2
    assert [engine["id"] for engine in client.status()["engines"]] == ids


def test_apply(lview):
    assert lview.apply_sync(divmod, 17, 5) == (3, 2)
    assert lview.apply_sync(sorted, [3, 1, 2], reverse=True) == [3, 2, 1]
    result = lview.apply_async(pow, 2, 10)
    assert result.get(timeout=60) == 1024
    assert result.ready() and result.successful()
    assert result.get() == 1024, "a second time"
    assert result.r == 1024


def test_lambdas_and_closures(lview):
    factor = 3
    assert lview.map_sync(lambda x: x * factor, range(5)) == [0, 3, 6, 9, 12]


def test_map_is_the_builtin_one(lview):
    assert lview.map_sync(pow, [1, 2, 3], [2, 2, 2, 2]) == [1, 4, 9]
    assert lview.map_sync(abs, (x for x in [-1, 2])) == [1, 2]
    assert lview.map_sync(abs, []) == []
    result = lview.map(abs, range(-50, 50))
    assert len(result) == 100
    assert result.get() == [abs(x) for x in range(-50, 50)]
    assert result.progress == 100
    assert lview.map_async(abs, [-7]).get() == [7]


def test_chunks(lview):
    result = lview.map(abs, range(-10, 0), chunksize=3)
    assert len(result) == 10
    assert list(result) == list(range(10, 0, -1))
    assert result.get() == list(range(10, 0, -1))
    assert result.progress == 10


def test_results_come_as_they_are_finished(lview):
    def wait_for(path):
        deadline = time.monotonic() + 60
        while not os.path.exists(path):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return path

    # the first item ends only once the second one was seen here
    first = os.path.join(os.environ["HOME"], "first")
    second = os.path.join(os.environ["HOME"], "second")
    open(second, "w").close()
    result = iter(lview.map(wait_for, [first, second], ordered=False))
    assert next(result) == second
    open(first, "w").close()
    assert list(result) == [first]


def test_ordered_iteration_begins_before_the_end(lview):
    def wait_for(path):
        deadline = time.monotonic() + 60
        while not os.path.exists(path):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return path

    late = os.path.join(os.environ["HOME"], "late")
    result = lview.map(wait_for, [os.environ["HOME"], late])
    assert next(iter(result)) == os.environ["HOME"]
    assert not result.ready()
    with pytest.raises(rpar.error.TimeoutError):
        result.get(timeout=0.05)
    open(late, "w").close()
    assert result.get(timeout=60) == [os.environ["HOME"], late]


def test_a_big_argument_and_a_big_result(lview):
    data = os.urandom(1 << 20) * 20
    assert lview.apply_sync(lambda data: data[::-1], data) == data[::-1]


def test_many_small_tasks(lview):
    count = 30_000
    assert lview.map_sync(lambda x: x + 1, range(count)) == list(range(1, count + 1))


def test_the_namespace_is_kept(client):
    lview = client.load_balanced_view(targets=client.ids[:1])

    def remember(value):
        import __main__

        __main__.value = value

    def recall():
        import __main__

        return __main__.value

    lview.apply_sync(remember, 42)
    assert lview.apply_sync(recall) == 42


def test_targets(client):
    for engine in client.ids:
        result = client.load_balanced_view(targets=engine).apply_async(os.getpid)
        result.wait(60)
        assert result.engine_id == engine


def test_what_the_main_program_defines(client, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import rpar

            class Point:
                def __init__(self, x):
                    self.x = x

            OFFSET = 100

            def shift(point):
                return Point(point.x + OFFSET)

            def fail(x):
                raise Unlucky(x)

            class Unlucky(Exception):
                pass

            with rpar.Client() as client:
                lview = client.load_balanced_view()
                moved = lview.map_sync(shift, [Point(1), Point(2)])
                assert all(type(point) is Point for point in moved), moved
                print([point.x for point in moved])
                try:
                    lview.apply_sync(fail, 13)
                except rpar.RemoteError as error:
                    assert type(error.exception) is Unlucky
                    print(error.ename, error.evalue)
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.stdout == "[101, 102]\nUnlucky 13\n", done.stderr


def test_a_connection_file_is_enough(client, home):
    file = home / ".local/state/rpar/local/default/client.toml"
    with rpar.Client(connection_file=file) as other:
        assert other.ids == client.ids
    with pytest.raises(rpar.error.ConnectionError):
        len(other)
    with pytest.raises(ValueError):
        rpar.Client(profile="local", connection_file=file)


def test_no_cluster_is_started_silently(client):
    with pytest.raises(rpar.error.ConnectionError, match="rpar --cluster-id other start"):
        rpar.Client(cluster_id="other")
