"""Whatever tasks do, the engines go on, nothing is lost and nothing comes twice."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from rpar import error

GENEROUS = 60


@pytest.fixture
def one(client):
    """A view of a single engine, to see that it goes on."""
    return client.load_balanced_view(targets=client.ids[0])


def wait_for(condition):
    deadline = time.monotonic() + GENEROUS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def parent(pid):
    """The parent of a process (proc(5)): an interpreter's is its engine host."""
    return int(Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[1])


def peak_bytes(pid):
    """The most memory that a process has had."""
    lines = Path("/proc/%d/status" % pid).read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


def test_a_crash_tells_signal_status_and_last_lines(one):
    def die(how):
        print("first words")
        print("last words", file=sys.stderr)
        if how == "signal":
            os.kill(os.getpid(), signal.SIGABRT)
        os._exit(7)

    with pytest.raises(error.EngineError, match=r"signal 6 \(SIGABRT\)") as caught:
        one.apply_sync(die, "signal")
    assert "first words\nlast words\n" in caught.value.traceback + "\n"
    with pytest.raises(error.EngineError, match="status 7") as caught:
        one.apply_sync(die, "exit")
    assert "last words" in caught.value.traceback
    assert one.apply_sync(abs, -1) == 1


def test_a_crash_is_tried_again_if_that_is_asked_for(one, tmp_path):
    def crash_once(path):
        if not os.path.exists(path):
            open(path, "w").close()
            os.kill(os.getpid(), signal.SIGSEGV)
        return "alive"

    with pytest.raises(error.EngineError, match="SIGSEGV"):
        one.apply_sync(crash_once, str(tmp_path / "first"))
    with one.temp_flags(retries=1):
        result = one.apply_async(crash_once, str(tmp_path / "second"))
    assert result.get(timeout=GENEROUS) == "alive"
    assert result._group.outcome(0).attempts == 2


def test_sys_exit_keeps_the_interpreter(one):
    pid = one.apply_sync(os.getpid)
    with pytest.raises(error.RemoteError, match="SystemExit"):
        one.apply_sync(sys.exit, 3)
    assert one.apply_sync(os.getpid) == pid


def test_an_endless_loop_ends_with_its_time(one):
    def loop():
        while True:
            pass

    before = one.client.ids
    with one.temp_flags(timeout=0.3), pytest.raises(error.TaskTimeout):
        one.apply_sync(loop)
    assert one.apply_sync(abs, -1) == 1
    assert one.client.ids == before


def test_an_interrupt_keeps_the_namespace(one, tmp_path):
    begun = tmp_path / "begun"

    def remember(path):
        import __main__

        __main__.kept = 42
        open(path, "w").close()
        while True:
            time.sleep(0.001)

    def recall():
        import __main__

        return __main__.kept

    result = one.apply_async(remember, str(begun))
    wait_for(begun.exists)
    result.abort()
    with pytest.raises(error.TaskAborted):
        result.get(timeout=GENEROUS)
    assert one.apply_sync(recall) == 42


def test_a_flood_of_prints_fills_no_memory(client, one):
    def flood():
        line = "x" * 9_999
        for _ in range(10_000):
            print(line)

    interpreter = one.apply_sync(os.getpid)
    processes = [parent(interpreter), client.status()["controller"]["pid"], os.getpid()]
    before = [peak_bytes(pid) for pid in processes]
    one.apply_async(flood).get(timeout=GENEROUS)
    grown = [peak_bytes(pid) - earlier for pid, earlier in zip(processes, before)]
    assert max(grown) < 48 << 20, "100 MB were printed, and the processes have grown by %s bytes" % grown


def test_a_result_without_room_is_refused(one):
    def lower():
        room = sys.modules["rpar_interpreter.room"]
        room.kept = room.available
        room.available = lambda: 100_000_000

    def restore():
        room = sys.modules["rpar_interpreter.room"]
        room.available = room.kept

    pid = one.apply_sync(os.getpid)
    one.apply_sync(lower)
    with pytest.raises(error.RemoteError) as caught:
        one.apply_sync(bytes, 150_000_000)
    assert caught.value.ename == "MemoryError"
    expected = "the result takes 0.2 GB when it is pickled, and %s has 0.1 GB of memory left" % os.uname().nodename
    assert expected in caught.value.evalue and "save it to a file" in caught.value.evalue
    one.apply_sync(restore)
    assert len(one.apply_sync(bytes, 150_000_000)) == 150_000_000
    assert one.apply_sync(os.getpid) == pid


def test_what_is_left_of_the_memory_is_known(one):
    def available():
        return sys.modules["rpar_interpreter.room"].available()

    assert 1 << 20 < one.apply_sync(available) < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_an_argument_that_is_too_long_is_refused(client, one):
    function = client._session.define(b"")
    # zeros that nobody touches take no memory
    with pytest.raises(ValueError, match=r"takes 5.4 GB when it is pickled, and at most 4.3 GB can be sent"):
        client._session.submit(client._session.group(), function, one._options(), [bytes(5 << 30)])
    assert one.apply_sync(abs, -1) == 1


def test_processes_in_a_task(one):
    def fork():
        pid = os.fork()
        if pid == 0:
            os._exit(5)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def pool():
        import multiprocessing

        with multiprocessing.get_context("fork").Pool(2) as pool:
            return pool.map(abs, range(-5, 0))

    def spawned():
        import subprocess

        done = subprocess.run(["sh", "-c", "echo out; exit 4"], stdout=subprocess.PIPE)
        return done.stdout, done.returncode

    pid = one.apply_sync(os.getpid)
    assert one.apply_sync(fork) == 5
    assert one.apply_sync(pool) == [5, 4, 3, 2, 1]
    assert one.apply_sync(spawned) == (b"out\n", 4)
    assert one.apply_sync(os.getpid) == pid


def test_threads_that_outlive_their_task(one):
    def start():
        import threading

        import __main__

        __main__.told = []
        __main__.go = threading.Event()

        def work():
            __main__.go.wait(60)
            print("from the thread")
            __main__.told.append("done")

        __main__.thread = threading.Thread(target=work)
        __main__.thread.start()

    def wait():
        import __main__

        __main__.go.set()
        __main__.thread.join(60)
        return __main__.told

    one.apply_sync(start)
    assert one.apply_sync(abs, -1) == 1
    result = one.apply_async(wait)
    assert result.get(timeout=GENEROUS) == ["done"]
    assert result._group.output(0) == (b"from the thread\n", b""), "it is the running task's"


def test_an_engine_host_that_is_killed_loses_nothing(client, lview, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()

    def work(x):
        time.sleep(0.002)
        open(os.path.join(str(marks), "%d.%d" % (x, os.getpid())), "w").close()
        return x, os.getpid()

    interpreter = lview.apply_sync(os.getpid)
    result = lview.map(work, range(600), ordered=False)
    wait_for(lambda: result.progress > 100)
    os.kill(parent(interpreter), signal.SIGKILL)
    came = list(result)
    assert sorted(x for x, _ in came) == list(range(600)), "each once"
    assert len({pid for _, pid in came}) > 2, "some ran on engines that were started afterwards"
    ran = [int(mark.name.split(".")[0]) for mark in marks.iterdir()]
    assert set(ran) == set(range(600))
    wait_for(lambda: len(client.ids) == 2)
