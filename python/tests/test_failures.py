"""Tasks that do not end well: each is told with what is known, and the engine goes on."""

import os
import signal
import time
import traceback

import pytest

import rpar
from rpar import error


@pytest.fixture
def one(client):
    """A view of a single engine, to see that it goes on."""
    return client.load_balanced_view(targets=client.ids[0])


def test_an_exception_shows_its_remote_traceback(one):
    def divide(x):
        return 1 // x

    with pytest.raises(error.RemoteError) as caught:
        one.apply_sync(divide, 0)
    problem = caught.value
    assert problem.ename == "ZeroDivisionError"
    assert problem.evalue == "integer division or modulo by zero"
    assert "in divide" in problem.traceback
    assert "<rpar " not in problem.traceback, "the interpreter's own lines are of no interest"
    assert isinstance(problem.exception, ZeroDivisionError)
    assert problem.engine_info["engine_id"] == one.targets
    assert str(problem) == "[%d:divide] ZeroDivisionError: integer division or modulo by zero" % one.targets
    shown = "".join(traceback.format_exception(type(problem), problem, problem.__traceback__))
    assert "in divide" in shown


def test_a_map_collects_its_exceptions(one):
    result = one.map(lambda x: 10 // x, [5, 0, 2, 0])
    with pytest.raises(error.CompositeError) as caught:
        result.get()
    assert [entry[0] for entry in caught.value.elist] == ["ZeroDivisionError"] * 2
    assert not result.successful()
    kept = result.get(return_exceptions=True)
    assert (kept[0], kept[2]) == (2, 5)
    assert isinstance(kept[1], error.RemoteError)
    assert [type(item) for item in one.map(lambda x: 10 // x, [5, 0], return_exceptions=True)] == [
        int,
        error.RemoteError,
    ]
    with pytest.raises(error.CompositeError):
        list(one.map(lambda x: 10 // x, [5, 0]))


def test_an_exception_that_cannot_be_pickled(one):
    def fail():
        problem = RuntimeError("with a lock")
        problem.lock = __import__("threading").Lock()
        raise problem

    with pytest.raises(error.RemoteError) as caught:
        one.apply_sync(fail)
    assert (caught.value.ename, caught.value.evalue) == ("RuntimeError", "with a lock")
    assert caught.value.exception is None


def test_what_cannot_be_pickled(one):
    with pytest.raises(TypeError):
        one.apply_sync(abs, (x for x in []))
    with pytest.raises(error.RemoteError, match="pickle"):
        one.apply_sync(lambda: (x for x in []))
    assert one.apply_sync(abs, -1) == 1


def test_a_segfault_ends_the_task_and_not_the_engine(client, one):
    def crash():
        import ctypes

        ctypes.string_at(0)

    before = client.ids
    with pytest.raises(error.EngineError, match="SIGSEGV") as caught:
        one.apply_sync(crash)
    assert "Segmentation fault" in caught.value.traceback
    assert one.apply_sync(abs, -1) == 1
    assert client.ids == before


def test_the_other_tasks_of_a_crashed_interpreter_are_run(lview):
    def crash_at_500(x):
        if x == 500:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    kept = lview.map(crash_at_500, range(1000), return_exceptions=True).get()
    assert isinstance(kept[500], error.EngineError)
    assert "SIGKILL" in str(kept[500])
    assert kept[:500] + kept[501:] == [x for x in range(1000) if x != 500]


def test_os_exit(one):
    with pytest.raises(error.EngineError, match="status 3"):
        one.apply_sync(os._exit, 3)
    assert one.apply_sync(abs, -1) == 1


def test_sys_exit_is_an_exception(one):
    def leave():
        raise SystemExit(3)

    pid = one.apply_sync(os.getpid)
    with pytest.raises(error.RemoteError) as caught:
        one.apply_sync(leave)
    assert (caught.value.ename, caught.value.evalue) == ("SystemExit", "3")
    assert one.apply_sync(os.getpid) == pid


def test_a_time_limit(one):
    with one.temp_flags(timeout=0.2), pytest.raises(error.TaskTimeout, match="0.2 s"):
        one.apply_sync(time.sleep, 600)
    assert one.timeout is None
    assert one.apply_sync(abs, -1) == 1


def test_abort_interrupts_and_keeps_the_namespace(one, tmp_path):
    begun = tmp_path / "begun"

    def long(path):
        open(path, "w").close()
        while True:
            pass

    pid = one.apply_sync(os.getpid)
    result = one.apply(long, str(begun))
    following = one.map(abs, [-1, -2])
    deadline = time.monotonic() + 60
    while not begun.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    result.abort()
    with pytest.raises(error.TaskAborted):
        result.get(timeout=60)
    assert following.get(timeout=60) == [1, 2]
    assert one.apply_sync(os.getpid) == pid, "the interpreter lives on"
    with pytest.raises(RuntimeError):
        result.abort()


def test_a_task_that_will_not_be_interrupted_is_killed(one, tmp_path):
    begun = tmp_path / "begun"

    def stubborn(path):
        open(path, "w").close()
        while True:
            try:
                time.sleep(600)
            except KeyboardInterrupt:
                pass

    result = one.apply(stubborn, str(begun))
    deadline = time.monotonic() + 60
    while not begun.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert result.cancel()
    with pytest.raises(error.TaskAborted):
        result.get(timeout=60)
    assert one.apply_sync(abs, -1) == 1


def test_retries(one, tmp_path):
    def third_time_lucky(path):
        with open(path, "a") as file:
            file.write("x")
        if os.path.getsize(path) < 3:
            raise ValueError("not yet")
        return os.path.getsize(path)

    with one.temp_flags(retries=2):
        assert one.apply_sync(third_time_lucky, str(tmp_path / "tries")) == 3


def test_printing_harms_nothing(one):
    def talk():
        import sys

        os.write(1, b"x" * 300_000)
        sys.stderr.write("y" * 300_000)
        print("z" * 300_000)
        return sys.stdin.read()

    assert one.apply_sync(talk) == ""


def test_a_forked_copy_does_not_answer(one):
    def fork():
        pid = os.fork()
        return None if pid == 0 else os.waitpid(pid, 0)[0] == pid

    assert one.map_sync(lambda _: fork(), range(3)) == [True] * 3


def test_flags_are_checked(lview):
    with pytest.raises(KeyError):
        lview.set_flags(colour=1)
    with pytest.raises(ValueError):
        lview.set_flags(retries=-1)
    with pytest.raises(ValueError):
        lview.set_flags(timeout=0)
    with pytest.raises(ValueError):
        lview.map(abs, [1], chunksize=0)
    with pytest.raises(TypeError):
        lview.map(abs)
    with pytest.raises(TypeError):
        lview.apply(3)
    assert rpar.LoadBalancedView is type(lview)


def test_a_function_that_the_engines_cannot_load_says_what_to_do(one):
    with pytest.raises(error.RemoteError) as caught:
        one.apply_sync(Unloadable())
    text = str(caught.value)
    assert "cannot be loaded" in text and "AttributeError" in text and "[python] executable" in text, text


class Unloadable:
    """As a function pickled by a cloudpickle that the engines do not have."""

    def __call__(self):
        return None

    def __reduce__(self):
        return getattr, (os, "no_such_attribute")
