"""Functions of the client's main program see the names of the engine's namespace first, and assign into it."""

import subprocess
import sys
import textwrap

import pytest

from rpar import error

#: What the client's main program says in these tests.
PROGRAM = """
import functools
import math

x = "travelled"
counter = 0
unset = None

def read():
    return x

def lookup():
    return x

def through():
    return lookup()

def nested():
    def inner():
        return (lambda: x)()
    return inner()

def comprehension():
    return [x for _ in range(1)] + list(x for _ in range(1)) + [{x: x}[x]]

def body():
    class Inner:
        value = x
        def method(self):
            return x
    return Inner.value, Inner().method()

class Thing:
    def method(self):
        return x
    @staticmethod
    def static():
        return x
    @classmethod
    def of_class(cls):
        return x
    @property
    def own(self):
        return x

def methods():
    thing = Thing()
    return thing.method(), thing.static(), thing.of_class(), thing.own

def decorated_by(function):
    @functools.wraps(function)
    def wrapped(*args):
        return x, function(*args)
    return wrapped

@decorated_by
def decorated():
    return x

def recursive(n):
    return [x] if n == 0 else [x] + recursive(n - 1)

def default(value=x):
    return value

def closed():
    x = "closed"
    return (lambda: x)()

def built_in():
    return len("abc")

def generator():
    yield x

def generated():
    return list(generator())

def count():
    global counter
    counter += 1
    return counter

def count_again():
    global counter
    counter += 10
    return counter

def reset():
    global counter
    counter = 0

def forget():
    global counter
    del counter

def assign(value):
    global unset
    unset = value
    raise ValueError

def make():
    global made
    def made():
        return x

def call_made():
    return made()

def square(number):
    return math.sqrt(number * number), x

read_lambda = lambda: x
"""


@pytest.fixture
def one(client):
    """A view of a single engine whose namespace is empty before and after."""
    view = client.load_balanced_view(targets=client.ids[0])

    def clear():
        import __main__

        names = [name for name in vars(__main__) if not name.startswith("__")]
        for name in names:
            delattr(__main__, name)
        return names

    view.apply_sync(clear)
    yield view
    view.apply_sync(clear)


@pytest.fixture
def program():
    """The names of a main program."""
    names = {"__name__": "__main__"}
    exec(PROGRAM, names)
    return names


def push(view, **names):
    """Puts names into the engine's namespace."""

    def put(names):
        import __main__

        vars(__main__).update(names)

    view.apply_sync(put, names)


def pull(view, name):
    """A name of the engine's namespace."""

    def get(name):
        import __main__

        return vars(__main__)[name]

    return view.apply_sync(get, name)


def delete(view, name):
    def remove(name):
        import __main__

        delattr(__main__, name)

    view.apply_sync(remove, name)


@pytest.mark.parametrize(
    "function, shape",
    [
        ("read", lambda x: x),
        ("read_lambda", lambda x: x),
        ("through", lambda x: x),
        ("nested", lambda x: x),
        ("comprehension", lambda x: [x, x, x]),
        ("body", lambda x: (x, x)),
        ("methods", lambda x: (x, x, x, x)),
        ("decorated", lambda x: (x, x)),
        ("generated", lambda x: [x]),
        ("default", lambda x: "travelled"),
        ("closed", lambda x: "closed"),
    ],
)
def test_names_of_the_engine_come_first(one, program, function, shape):
    function = program[function]
    assert one.apply_sync(function) == shape("travelled")
    push(one, x="pushed")
    assert one.apply_sync(function) == shape("pushed")
    push(one, x="anew")
    assert one.apply_sync(function) == shape("anew")
    delete(one, "x")
    assert one.apply_sync(function) == shape("travelled")


def test_calls_with_arguments(one, program):
    assert one.apply_sync(program["recursive"], 2) == ["travelled"] * 3
    push(one, x=7)
    assert one.apply_sync(program["recursive"], 2) == [7] * 3
    assert one.map_sync(program["square"], range(3)) == [(0.0, 7), (1.0, 7), (2.0, 7)]


def test_names_pushed_before_anything_has_travelled(one, program):
    push(one, x="pushed", lookup=len)
    assert one.apply_sync(program["read"]) == "pushed"
    with pytest.raises(error.RemoteError, match="TypeError"):
        one.apply_sync(program["through"])


def test_a_name_that_did_not_travel(one, program):
    read = eval("lambda: only_here", program)
    with pytest.raises(error.RemoteError, match="NameError"):
        one.apply_sync(read)
    push(one, only_here=3)
    assert one.apply_sync(read) == 3
    delete(one, "only_here")
    with pytest.raises(error.RemoteError, match="NameError"):
        one.apply_sync(read)


def test_a_built_in_can_be_shadowed(one, program):
    assert one.apply_sync(program["built_in"]) == 3
    push(one, len=sum)
    with pytest.raises(error.RemoteError, match="TypeError"):
        one.apply_sync(program["built_in"])


def test_functions_share_a_global_that_they_assign(one, program):
    assert [one.apply_sync(program["count"]) for _ in range(3)] == [1, 2, 3]
    assert one.apply_sync(program["count_again"]) == 13
    assert one.apply_sync(program["count"]) == 14
    assert pull(one, "counter") == 14
    push(one, counter=100)
    assert one.apply_sync(program["count"]) == 101
    one.apply_sync(program["reset"])
    assert pull(one, "counter") == 0
    one.apply_sync(program["forget"])
    with pytest.raises(error.RemoteError, match="KeyError"):
        pull(one, "counter")
    assert one.apply_sync(program["count"]) == 1, "what travelled along"


def test_within_one_batch(one, program):
    counted = one.map_sync(eval("lambda _: count()", program), range(500))
    assert counted == list(range(1, 501))
    assert pull(one, "counter") == 500


def test_what_was_assigned_before_an_exception_stays(one, program):
    with pytest.raises(error.RemoteError, match="ValueError"):
        one.apply_sync(program["assign"], 5)
    assert pull(one, "unset") == 5


def test_assigning_what_it_was(one, program):
    one.apply_sync(program["reset"])
    assert pull(one, "counter") == 0, "assigned, though the value has not changed"


def test_functions_that_are_put_into_the_namespace(one, program):
    push(one, pushed=program["through"], Thing=program["Thing"])
    call = eval("lambda: (pushed(), Thing().method())", {"__name__": "__main__"})
    assert one.apply_sync(call) == ("travelled", "travelled")
    push(one, x="pushed")
    assert one.apply_sync(call) == ("pushed", "pushed")
    one.apply_sync(program["make"])
    push(one, x="later")
    assert one.apply_sync(program["call_made"]) == "later"


def test_functions_that_are_only_put_there_assign_nothing(one, program):
    push(one, count=program["count"])
    with pytest.raises(error.RemoteError, match="KeyError"):
        pull(one, "counter")
    call = eval("lambda: count()", {"__name__": "__main__"})
    assert [one.apply_sync(call) for _ in range(2)] == [1, 2]
    assert pull(one, "counter") == 2


def test_the_names_in_all_code_are_found(one):
    def compare():
        import argparse
        import dis
        import pickle
        import typing
        import types

        found, operations = sys.modules["rpar_interpreter.namespace"].global_names, 0
        for module in argparse, dis, pickle, typing:
            with open(module.__file__, encoding="utf-8") as file:
                left = [compile(file.read(), module.__file__, "exec")]
            while left:
                code = left.pop()
                left += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
                wanted = []
                for instruction in dis.get_instructions(code):
                    if instruction.opname.endswith("_GLOBAL") or instruction.opname == "LOAD_NAME":
                        wanted.append((instruction.argval, not instruction.opname.startswith("LOAD")))
                assert list(found(code)) == wanted, code
                operations += len(wanted)
        return operations

    assert one.apply_sync(compare) > 1000


def test_functions_as_arguments(one, program):
    call = lambda function: function()
    assert one.apply_sync(call, program["through"]) == "travelled"
    push(one, x="pushed")
    assert one.apply_sync(call, program["through"]) == "pushed"
    assert [one.apply_sync(call, program["count"]) for _ in range(2)] == [1, 2]


def test_the_namespace_begins_empty(one):
    def names():
        import __main__

        return sorted(name for name in vars(__main__) if not name.startswith("__"))

    assert one.apply_sync(names) == []


def test_a_main_program(client, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import rpar

            total = 0

            def add(number):
                global total
                total += number
                return total

            with rpar.Client() as client:
                view = client.load_balanced_view(targets=client.ids[1])
                print(view.map_sync(add, range(5)), view.apply_sync(lambda: total), total)
                view.apply_sync(exec, "import __main__; del __main__.total")
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.stdout == "[0, 1, 3, 6, 10] 10 0\n", done.stderr
