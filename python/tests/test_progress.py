"""Progress: on a real terminal, in lines of text, and in a notebook."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
import types

import pytest

from rpar import progress

#: A script that maps, and shows how far that is.
SCRIPT = """
import sys, time
sys.modules["tqdm"] = None if "{bar}" == "own" else __import__("importlib").import_module("tqdm")
import rpar
with rpar.Client() as client:
    result = client.load_balanced_view().map(time.sleep, [0.05] * 10)
    result.wait_interactive()
    print(len(result.get()))
"""


def on_terminal(script, columns=80, **environment):
    """Runs a script on a terminal of its own and returns what it wrote there."""
    ours, its = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **environment}
    environment.pop("COLUMNS", None)
    child = subprocess.Popen([sys.executable, "-c", script], stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    written, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 1)[0]:
            try:
                data = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not data:
                break
            written += data
    os.close(ours)
    assert child.wait(60) == 0, written.decode()
    return written.decode()


def test_a_bar_on_a_terminal(cluster):
    written = on_terminal(SCRIPT.format(bar="own"), NO_COLOR="")
    assert "\x1b[32m" in written and "\r\x1b[Ksleep:   0% " in written
    last = [line for line in re.split("[\r\n]+", written) if "sleep" in line][-1]
    assert "sleep: 100%" in last and "█" * 30 in last and "10/10 tasks, 0:0" in last
    assert written.rstrip().endswith("10")


def test_a_bar_without_colours_that_fits(cluster):
    written = on_terminal(SCRIPT.format(bar="own"), columns=40, NO_COLOR="1")
    assert "\x1b[32m" not in written
    for line in re.split("[\r\n]+", written.replace("\x1b[K", "")):
        assert len(line) < 40, line


def test_tqdm_where_it_is_installed(cluster):
    written = on_terminal(SCRIPT.format(bar="tqdm"))
    assert re.search(r"sleep: 100%\|.*10/10 \[", written)


def test_lines_where_there_is_no_terminal(lview, capsys):
    lview.map(time.sleep, [0.01] * 4).wait_interactive()
    assert re.fullmatch(r"sleep: 100%, 4/4 tasks, 0:00\n", capsys.readouterr().err)


def test_a_map_that_shows_progress(lview, capsys):
    spans = [0.05, 0.05]
    assert lview.map_sync(time.sleep, spans, progress=True) == [None, None]
    assert lview.map(time.sleep, spans, block=True, progress=True) == [None, None]
    result = lview.map_async(time.sleep, spans, chunksize=2, progress=True)
    assert list(result) == [None, None], "who iterates sees for himself"
    assert capsys.readouterr().err.count("sleep: 100%, 2/2 tasks") == 2
    assert result.get() == [None, None] and capsys.readouterr().err == "", "there is nothing to wait for"


def test_progress_and_a_time_out(lview, capsys):
    slow = lview.map(time.sleep, [0, 600], progress=True)
    with pytest.raises(TimeoutError):
        slow.get(timeout=0.1)
    assert "/2 tasks" in capsys.readouterr().err
    slow.abort()


def test_a_line_for_each_tenth(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    bar = progress.progress_bar(40, "f")
    for done in range(40):
        bar.update(done)
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "f: %d%%" % tenth for tenth in range(10, 100, 10)
    ]


def test_it_waits_no_longer_than_it_should(held_call, capsys):
    with held_call() as result:
        result.wait_interactive(interval=0.01, timeout=0.05)
        assert not result.ready() and "0/1 tasks" in capsys.readouterr().err
        with pytest.raises(ValueError, match="return_when"):
            result.wait_interactive(return_when="SOMETIME")
    result.wait_interactive()
    assert result.ready()


def test_the_first_is_enough(held_call, lview, capsys):
    import rpar

    with held_call() as slow:
        both = rpar.AsyncResult.join(slow, lview.apply(abs, -1))
        both.wait_interactive(return_when="FIRST_COMPLETED")
        assert both.progress == 1 and not both.ready()
        bad = rpar.AsyncResult.join(slow, lview.apply(divmod, 1, 0))
        bad.wait_interactive(return_when="FIRST_EXCEPTION")
        assert not bad.ready()


def test_a_notebook(lview, monkeypatch):
    shown = []

    class Shown:
        def update(self, content, raw):
            shown.append(content)

    fake = types.ModuleType("IPython")
    fake.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    fake.display = types.ModuleType("IPython.display")
    fake.display.display = lambda content, raw, display_id: shown.append(content) or Shown()
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", fake.display)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    lview.map(abs, range(3)).wait_interactive()
    assert shown[0]["text/plain"].startswith("abs: 0/3 tasks")
    assert re.fullmatch(r'abs: <progress value="3" max="3"></progress> 3/3 tasks, 0:00', shown[-1]["text/html"])


def test_spans_of_time():
    assert [progress.clock(seconds) for seconds in (0, 65.9, 3600 * 30 + 61)] == ["0:00", "1:05", "30:01:01"]
