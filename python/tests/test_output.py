"""What tasks print comes to the client: whose it is is known, and it comes while the task runs."""

import os
import subprocess
import sys
import time

import pytest

from rpar import error

GENEROUS = 60


@pytest.fixture
def one(client):
    """A view of a single engine."""
    return client.load_balanced_view(targets=client.ids[0])


def printed(result):
    """What each task has printed, as pairs of text."""
    group = result._group
    return [tuple(text.decode() for text in group.output(index)) for index in range(len(group))]


def wait_for(condition):
    deadline = time.monotonic() + GENEROUS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_each_task_has_its_own(lview):
    def talk(x):
        if x % 3 == 1:
            print("line", x)
        elif x % 3 == 2:
            print("no end", x, end="", file=sys.stderr)
        return x

    result = lview.map(talk, range(300))
    assert result.get(timeout=GENEROUS) == list(range(300))
    expected = [("", ""), ("line %d\n", ""), ("", "no end %d")]
    wanted = [tuple(text % x if text else "" for text in expected[x % 3]) for x in range(300)]
    assert printed(result) == wanted


def test_it_comes_while_the_task_runs(one, tmp_path):
    go = tmp_path / "go"

    def talk(path):
        print("before")
        print("no end yet", end="", flush=True)
        while not os.path.exists(path):
            time.sleep(0.01)
        print(", after")

    result = one.apply_async(talk, str(go))
    wait_for(lambda: printed(result) == [("before\nno end yet", "")])
    assert not result.ready()
    go.touch()
    result.get(timeout=GENEROUS)
    assert printed(result) == [("before\nno end yet, after\n", "")]


def test_listening(lview, tmp_path):
    go = tmp_path / "go"

    def talk(x):
        print("before", x)
        while not os.path.exists(str(go)):
            time.sleep(0.01)
        print("after", x, file=sys.stderr)

    result = lview.map(talk, range(2))
    wait_for(lambda: all(out for out, _ in printed(result)))
    live = result._group.listen()
    # what was printed before comes first
    pieces = live.next(GENEROUS) + live.next(0)
    assert sorted((piece.index, piece.stream, piece.data) for piece in pieces) == [
        (0, 1, b"before 0\n"),
        (1, 1, b"before 1\n"),
    ]
    assert live.next(0.05) == []
    go.touch()
    heard = []
    while True:
        pieces = live.next(GENEROUS)
        if pieces is None:
            break
        heard += pieces
    assert sorted((piece.index, piece.attempt, piece.stream, piece.data) for piece in heard) == [
        (0, 1, 2, b"after 0\n"),
        (1, 1, 2, b"after 1\n"),
    ]
    assert sorted(piece.engine for piece in heard) == lview.client.ids
    live.close()
    assert live.next(0) is None


def test_what_others_write_to_the_descriptors_of_a_long_task(one):
    def shell():
        os.system("echo from the shell")
        os.write(2, b"to the descriptor\n")
        subprocess.run([sys.executable, "-c", "print('from Python')"], check=True, stdout=sys.stdout)

    result = one.apply_async(shell)
    result.get(timeout=GENEROUS)
    assert printed(result) == [("from the shell\nto the descriptor\nfrom Python\n", "")]


def test_programs_in_a_map(lview):
    def echo(x):
        return os.system("echo line %d" % x)

    result = lview.map(echo, range(40))
    assert result.get(timeout=GENEROUS) == [0] * 40
    assert printed(result) == [("line %d\n" % x, "") for x in range(40)]


def test_a_retried_task_prints_anew(one, tmp_path):
    def second_time_lucky(path):
        if os.path.exists(path):
            return
        open(path, "w").close()
        print("first")
        raise ValueError

    with one.temp_flags(retries=1):
        result = one.apply_async(second_time_lucky, str(tmp_path / "tried"))
    result.get(timeout=GENEROUS)
    assert result._group.outcome(0).attempts == 2
    assert printed(result) == [("", "")]


def test_a_flood_is_bounded_and_waits_for_nobody(one):
    def flood():
        line = "x" * 99
        for _ in range(200_000):
            print(line)
        print("the end")

    result = one.apply_async(flood)
    result.get(timeout=GENEROUS)
    ((out, _),) = printed(result)
    assert out.startswith("x" * 99 + "\n") and out.endswith("\nthe end\n")
    assert len(out) < (1 << 20) + 100
    left_out = 200_000 * 100 + len("the end\n") - (1 << 20)
    assert "\n[%d bytes were left out here]\n" % left_out in out


def test_an_endless_flood_can_be_aborted_and_ends_in_time(one):
    def flood():
        while True:
            print("x" * 99)

    pid = one.apply_sync(os.getpid)
    result = one.apply_async(flood)
    # nobody takes what it prints
    live = result._group.listen()
    assert live.next(GENEROUS)
    result.abort()
    with pytest.raises(error.TaskAborted):
        result.get(timeout=GENEROUS)
    live.close()
    assert one.apply_sync(os.getpid) == pid, "the interpreter lives on"
    with one.temp_flags(timeout=0.3), pytest.raises(error.TaskTimeout):
        one.apply_sync(flood)


def test_streams_are_text_streams(one):
    def properties():
        sys.stdout.buffer.write(b"bytes\n")
        sys.stdout.writelines(["a", "b\n"])
        sys.stderr.write("\udc80\n")
        return sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.fileno(), sys.stderr.fileno(), sys.stdout.name

    result = one.apply_async(properties)
    assert result.get(timeout=GENEROUS) == ("utf-8", False, 1, 2, "<stdout>")
    assert printed(result) == [("bytes\nab\n", "\\udc80\n")]


def test_logging_and_redirection(one):
    def talk():
        import contextlib
        import io
        import logging

        logging.warning("careful")
        with contextlib.redirect_stdout(io.StringIO()) as kept:
            print("caught")
        return kept.getvalue()

    result = one.apply_async(talk)
    assert result.get(timeout=GENEROUS) == "caught\n"
    assert printed(result) == [("", "WARNING:root:careful\n")]
