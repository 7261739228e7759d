"""Clients and engines whose Pythons are of different minor versions."""

import os
import shutil
import subprocess
import sys
import warnings

import pytest

import rpar
from conftest import rpar as command
from rpar import error, versions

ENGINES = "%d.%d.%d" % sys.version_info[:3]


@pytest.fixture
def pretended(monkeypatch):
    """This client takes itself for a Python of another version."""
    monkeypatch.setattr(versions, "OWN", "3.5")
    monkeypatch.setattr(versions, "_warned", set())


def test_one_warning_names_both(lview, pretended):
    with pytest.warns(RuntimeWarning) as caught:
        assert lview.map_sync(abs, range(100)) == list(range(100))
        assert lview.apply_sync(abs, -1) == 1
    (warning,) = [str(warning.message) for warning in caught if "Python" in str(warning.message)]
    assert "the engines run Python %s (" % ENGINES in warning and "this is Python 3.5" in warning
    assert "[python] executable" in warning


def test_the_same_version_is_silent(lview):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = lview.apply_async(lambda: 1)
        assert result.get() == 1
    assert result._group.output(0) == (b"", b"")


def test_a_function_that_cannot_be_loaded(lview, pretended):
    with pytest.raises(error.RemoteError) as caught:
        lview.apply_sync(Unloadable())
    text = str(caught.value)
    assert "which was made by Python 3.5, cannot be loaded by" in text and "(Python %s" % ENGINES in text, text
    assert "[python] executable" in text


def test_a_result_that_cannot_be_unpickled(lview, pretended):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(error.RemoteError) as caught:
            lview.apply_sync(eval, UNREADABLE)
    text = str(caught.value)
    assert "cannot be unpickled here" in text, text
    assert "it was made by Python %s (" % ENGINES in text and "this is Python 3.5" in text, text


@pytest.mark.filterwarnings("ignore:the engines run")
def test_what_is_sent_by_value_is_refused(lview, pretended):
    """Its bytecode would crash the interpreter."""
    for call in (lambda: lview.apply_sync(lambda: 1), lambda: lview.map_sync(callable, [lambda: 1])):
        with pytest.raises((error.RemoteError, error.CompositeError)) as caught:
            call()
        text = str(caught.value)
        assert lview.map_sync(abs, range(4)) == [0, 1, 2, 3], "others run"
        assert "sent by value, and Python %s (" % ENGINES in text and "[python] executable" in text, text


class Unloadable:
    """As a function pickled by a cloudpickle that the engines do not have."""

    def __call__(self):
        return None

    def __reduce__(self):
        return getattr, (os, "no_such_attribute")


#: Makes what unpickles on engines alone.
UNREADABLE = """type("Unreadable", (), {"__reduce__": lambda self: (divmod, (1, 0))})()"""


def other_python():
    """A Python of another minor version that has cloudpickle, if there is one."""
    for minor in range(9, 15):
        name = shutil.which("python3.%d" % minor)
        if minor != sys.version_info[1] and name is not None:
            done = subprocess.run([name, "-c", "import cloudpickle"], stderr=subprocess.DEVNULL)
            if done.returncode == 0:
                return name
    return None


def test_a_real_other_version(home):
    python = other_python()
    if python is None:
        warnings.warn("NOT RUN against another Python: none with cloudpickle is on PATH as python3.N")
        return
    profiles = home / ".config/rpar/profiles"
    profiles.mkdir(parents=True, exist_ok=True)
    (profiles / "apart.toml").write_text('extends = "local"\n[python]\nexecutable = "%s"\n' % python)
    command("--profile", "apart", "start", "-n", "1")
    try:
        with rpar.Client(profile="apart") as client, pytest.warns(RuntimeWarning, match="the engines run Python 3"):
            view = client.load_balanced_view()
            assert view.map_sync(abs, [-1, -2]) == [1, 2], "by reference all is well"
            with pytest.raises(error.RemoteError, match="client and engines need the same"):
                view.apply_sync(lambda: [x for x in range(3)])
    finally:
        command("--profile", "apart", "stop")
