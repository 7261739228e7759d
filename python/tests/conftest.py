"""A cluster of two engines on this machine, started by the installed command in a home of its own."""

import contextlib
import os
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest

#: The native command of the wheel, beside this interpreter.
RPAR = Path(sysconfig.get_path("scripts")) / "rpar"


def rpar(*arguments, timeout=60):
    """Runs the command and returns what it printed."""
    done = subprocess.run([str(RPAR), *arguments], capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, "rpar %s: %s%s" % (" ".join(arguments), done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """A home without profiles or clusters, for this process and all that it starts."""
    directory = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith(("RPAR_", "XDG_"))]:
        patch.delenv(name)
    patch.setenv("HOME", str(directory))
    # engines look for `python3` on the starter's path
    patch.setenv("PATH", os.pathsep.join([str(RPAR.parent), os.environ["PATH"]]))
    yield directory
    patch.undo()


@pytest.fixture(scope="session")
def cluster(home):
    """A running cluster of the profile `local`; afterwards nothing of it may be left."""
    rpar("start", "-n", "2")
    yield
    rpar("stop")
    left = [path for path in (home / ".local/state/rpar").rglob("*") if not path.is_dir()]
    assert [path for path in left if path.suffix != ".lock"] == []


@pytest.fixture
def client(cluster):
    import rpar

    with rpar.Client() as client:
        yield client


@pytest.fixture
def lview(client):
    return client.load_balanced_view()


@pytest.fixture
def held_call(lview, tmp_path):
    """Makes a context in which a call has begun and does not end before it is left, or aborted."""

    def wait_for(gate, begun):
        open(begun, "w").close()
        while not os.path.exists(gate):
            time.sleep(0.005)
        return 42

    @contextlib.contextmanager
    def held(view=lview):
        gate, begun = tmp_path / "gate", tmp_path / "begun"
        result = view.apply_async(wait_for, str(gate), str(begun))
        until(begun.exists)
        try:
            yield result
        finally:
            gate.touch()

    return held


def until(condition, seconds=60):
    """Waits until `condition()` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.005)
