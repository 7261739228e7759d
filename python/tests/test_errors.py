"""Exceptions: their names, how they are shown, and how they travel."""

import builtins
import io
import pickle
import sys
import traceback

import pytest

from rpar import error

#: What an `except` clause of a script may name, and what it is a kind of.
KINDS = {
    "IPythonError": Exception,
    "KernelError": error.IPythonError,
    "ProtocolError": error.KernelError,
    "RemoteError": error.KernelError,
    "CompositeError": error.RemoteError,
    "AlreadyDisplayedError": error.RemoteError,
    "EngineError": error.KernelError,
    "NoEnginesRegistered": error.KernelError,
    "TaskAborted": error.KernelError,
    "TaskTimeout": error.KernelError,
    "TaskRejectError": error.KernelError,
    "UnmetDependency": error.KernelError,
    "ImpossibleDependency": error.UnmetDependency,
    "DependencyTimeout": error.ImpossibleDependency,
    "InvalidDependency": error.ImpossibleDependency,
    "IdInUse": error.KernelError,
    "ResultNotCompleted": error.KernelError,
    "ResultAlreadyRetrieved": error.KernelError,
    "PendingResultError": error.KernelError,
    "AbortedPendingDependency": error.KernelError,
    "ConnectionError": builtins.ConnectionError,
}


def remote(number=0, name="ValueError"):
    trace = 'Traceback (most recent call last):\n  File "f.py", line %d, in f\n    raise it\n%s: %d' % (number, name, number)
    return error.RemoteError(name, str(number), trace, {"engine_id": number, "method": "f"})


@pytest.mark.parametrize("name", KINDS)
def test_names(name):
    assert issubclass(getattr(error, name), KINDS[name])


def test_the_time_out_is_the_built_in_one():
    assert error.TimeoutError is builtins.TimeoutError


def test_all_names_of_ipyparallel_are_there():
    # those of ipyparallel.error 9.2
    names = """AlreadyDisplayedError CompositeError DependencyTimeout EngineError IPythonError ImpossibleDependency
        InvalidDependency KernelError NoEnginesRegistered RemoteError TaskAborted TaskRejectError TaskTimeout TimeoutError
        UnmetDependency collect_exceptions unwrap_exception wrap_exception"""
    assert [name for name in names.split() if not hasattr(error, name)] == []


def test_exceptions_are_collected():
    assert error.collect_exceptions([1, 2]) == [1, 2]
    assert error.collect_exceptions({0: "a"}) == {0: "a"}
    inner = error.CompositeError("both", [remote(1), remote(2)])
    with pytest.raises(error.CompositeError, match="raised in: g") as caught:
        error.collect_exceptions({0: 5, 1: inner, 2: remote(3, "KeyError")}, "g")
    assert [(name, text) for name, text, _, _ in caught.value.elist] == [
        ("ValueError", "1"),
        ("ValueError", "2"),
        ("KeyError", "3"),
    ]


def test_a_failure_of_a_composite_can_be_raised():
    both = error.CompositeError("both", [remote(1), remote(2, "KeyError")])
    for number, name in enumerate(["ValueError", "KeyError"]):
        with pytest.raises(error.RemoteError) as caught:
            both.raise_exception(number)
        assert caught.value.ename == name
    for ask in (both.raise_exception, both.render_traceback, both.print_traceback):
        with pytest.raises(IndexError, match="index 2"):
            ask(2)
    entries = error.CompositeError("entries", both.elist)
    assert [repr(each) for each in entries.errors] == [repr(each) for each in both.errors]


def test_only_the_first_tracebacks_are_shown(capsys):
    many = error.CompositeError("many", [remote(number) for number in range(6)])
    assert str(many).splitlines() == ["many"] + ["[%d:f]ValueError: %d" % (n, n) for n in range(4)] + [
        ".... 2 more exceptions ..."
    ]
    many.print_traceback()
    shown = capsys.readouterr().out
    assert shown.count("Traceback") == 4 and "... 2 more exceptions ..." in shown
    many.print_traceback(5)
    assert "[5:f]:" in capsys.readouterr().out
    assert repr(many) == "CompositeError(6)"


@pytest.mark.parametrize(
    "problem",
    [
        remote(3),
        error.TaskAborted("TaskAborted", "gone", "", {"engine_id": 1, "method": "f"}),
        error.CompositeError("both", [remote(1), remote(2)]),
        error.AlreadyDisplayedError(error.CompositeError("both", [remote(1), remote(2)])),
    ],
)
def test_they_can_be_pickled(problem):
    copy = pickle.loads(pickle.dumps(problem))
    assert type(copy) is type(problem) and str(copy) == str(problem)
    assert copy.render_traceback() == problem.render_traceback()


def test_one_that_was_shown_is_told_in_a_line():
    assert str(error.AlreadyDisplayedError(error.CompositeError("m", [remote(1), remote(2)]))) == "2 errors"


def test_wrap_and_unwrap():
    try:
        raise KeyError("x")
    except KeyError:
        content = error.wrap_exception({"engine_id": 4, "method": "g"})
    problem = error.unwrap_exception(content)
    assert repr(problem) == "<RemoteError[4]:KeyError('x')>" and "raise KeyError" in problem.traceback


def test_the_remote_traceback_is_the_cause(lview):
    with pytest.raises(error.RemoteError) as caught:
        lview.apply_sync(lambda: {}["missing"])
    shown = "".join(traceback.format_exception(type(caught.value), caught.value, caught.value.__traceback__))
    assert shown.index("in <lambda>") < shown.index("direct cause") < shown.index("KeyError: 'missing'", 400)
    assert isinstance(caught.value.exception, KeyError)


def test_an_aborted_task_can_be_pickled(held_call):
    with held_call() as result:
        result.abort()
        problem = result.exception(60)
    copy = pickle.loads(pickle.dumps(problem))
    assert type(copy) is error.TaskAborted and type(problem).__name__ == "TaskAborted" and str(copy) == str(problem)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colours_are_for_terminals(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    plain = remote(1).render_traceback()
    assert remote(1)._render_traceback_() == plain
    monkeypatch.setattr(sys, "stdout", Terminal())
    coloured = remote(1)._render_traceback_()
    assert [line.startswith("\x1b[") for line in coloured] == [True, False, True, False, True]
    assert [line.split("m", 1)[-1].replace("\x1b[0m", "") for line in coloured if "\x1b" in line] == [
        line for line in plain if line.startswith(("[", "  File", "ValueError"))
    ]
    assert error.CompositeError("both", [remote(1)])._render_traceback_()[0].startswith("\x1b[")
    monkeypatch.setenv("NO_COLOR", "1")
    assert remote(1)._render_traceback_() == plain
