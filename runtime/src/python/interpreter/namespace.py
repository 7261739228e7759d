"""The user's namespace, ``__main__`` of this process, and functions that the client's main program has defined.

Such a function travels with the globals that it uses, in a dict of its own. It is to see what the namespace here has (pushed,
executed, assigned by an earlier task) first, and what it assigns by ``global`` is to land there. Its globals stay a plain
dict, which is what makes looking things up in them fast: names are copied in before a task and out after it, as far as the
code can use them. Code that takes names from ``globals()``, or executes text, sees the dict as it is.
"""

import sys
from functools import wraps
from opcode import opmap
from types import CodeType, FunctionType

LOAD_GLOBAL, EXTENDED_ARG = opmap["LOAD_GLOBAL"], opmap["EXTENDED_ARG"]
WRITES = frozenset((opmap["STORE_GLOBAL"], opmap["DELETE_GLOBAL"]))
# the last is new in 3.12
READS = frozenset((LOAD_GLOBAL, opmap["LOAD_NAME"], opmap.get("LOAD_FROM_DICT_OR_GLOBALS", LOAD_GLOBAL)))
OPCODES = WRITES | READS
# since 3.11 the lowest bit of this operation's argument is about something else
LOAD_GLOBAL_SHIFT = 1 if sys.version_info >= (3, 11) else 0
# scopes of functions that stand in the namespace: all are looked at before every task
KEPT = 64
MISSING = object()


class Scope:
    """The globals that some functions have travelled with, and what these use of them."""

    def __init__(self, scope_globals):
        self.globals = scope_globals
        self.names = set()
        self.stores = set()
        self.travelled = {}
        self.shadowed = set()  # the names whose values are the namespace's at present
        self.before = {}  # what is to be stored, as it was before the task

    def add(self, code):
        """Takes note of the names that some code can use."""
        for name, stored in global_names(code):
            if stored:
                self.stores.add(name)
            if not (name.startswith("__") and name.endswith("__")):
                self.names.add(name)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self.add(constant)

    def complete(self):
        """All functions are there: what they have brought is what is used where the namespace has nothing."""
        self.travelled = {name: self.globals[name] for name in self.names if name in self.globals}

    def enter(self, main):
        """Copies in what the namespace has."""
        if self.shadowed or not main.keys().isdisjoint(self.names):
            for name in self.names:
                if name in main:
                    self.globals[name] = main[name]
                    self.shadowed.add(name)
                elif name in self.shadowed:
                    self.shadowed.discard(name)
                    self.restore(name)
        if self.stores:
            self.before = {name: self.globals.get(name, MISSING) for name in self.stores}

    def restore(self, name):
        if name in self.travelled:
            self.globals[name] = self.travelled[name]
        else:
            self.globals.pop(name, None)

    def leave(self, main, ran):
        """Copies out what was stored; tells whether a function of this scope was. If its code surely `ran`, what it stores
        may have been stored although the value is what it was before.
        """
        holds = False
        for name, before in self.before.items():
            value = self.globals.get(name, MISSING)
            if value is MISSING:
                if before is not MISSING:
                    main.pop(name, None)
            elif value is not before or ran and name not in main:
                main[name] = value
                self.shadowed.add(name)
                holds = holds or getattr(value, "__globals__", None) is self.globals
        self.before = {}
        return holds


def global_names(code):
    """Yields the global names in some code (but not in what is nested in it), and whether each is stored.

    As ``dis.get_instructions`` would tell, which takes fifty times as long.
    """
    instructions = code.co_code
    operations = instructions[::2]
    if OPCODES.isdisjoint(operations):
        return
    extended = 0
    for operation, argument in zip(operations, instructions[1::2]):
        argument |= extended
        extended = argument << 8 if operation == EXTENDED_ARG else 0
        if operation in OPCODES:
            yield code.co_names[argument >> LOAD_GLOBAL_SHIFT if operation == LOAD_GLOBAL else argument], operation in WRITES


class Namespace:
    """``__main__``, and the functions that have come by value."""

    def __init__(self):
        self.main = sys.modules["__main__"].__dict__
        self.lacks = self.main.keys().isdisjoint
        self.arrived = []  # functions that were unpickled and not been looked at
        self.kept = []

    def watch(self, module):
        """Learns of every function that a module of cloudpickle makes: all get their state by this function."""
        set_state = getattr(module, "_function_setstate", None)
        if set_state is None:
            return
        arrived = self.arrived

        @wraps(set_state)
        def watched(function, state):
            arrived.append(function)
            return set_state(function, state)

        module._function_setstate = watched

    def forget(self):
        """Forgets functions that have arrived for something that was given up."""
        self.arrived.clear()

    def scopes(self):
        """The scopes of the main program's functions that have arrived."""
        scopes = {}
        for function in self.arrived:
            if isinstance(function, FunctionType) and function.__globals__.get("__name__") == "__main__":
                if function.__globals__ is not self.main:
                    scope = scopes.setdefault(id(function.__globals__), Scope(function.__globals__))
                    scope.add(function.__code__)
        self.arrived.clear()
        used = [scope for scope in scopes.values() if scope.names]
        for scope in used:
            scope.complete()
        return used

    def call(self, call, argument, scopes):
        """Calls with the namespace's names in these scopes; those that the argument has brought are the last."""
        if not self.arrived and not self.kept:
            for scope in scopes:
                if scope.stores or scope.shadowed or not self.lacks(scope.names):
                    break
            else:  # nearly always
                return call(argument)
        brought = self.scopes() if self.arrived else []
        # the function's own come last: what it assigns is not undone by what others had before
        every = [*(scope for scope in self.kept if scope not in scopes), *brought, *scopes]
        for scope in every:
            scope.enter(self.main)
        try:
            return call(argument)
        finally:
            for scope in every:
                if scope.leave(self.main, scope in scopes):
                    self.keep(scope)
            if brought:
                self.keep_those_in_use(brought)

    def keep_those_in_use(self, scopes):
        """Functions that a task has put into the namespace (``push``) go on to see the namespace's names."""
        scopes = {id(scope.globals): scope for scope in scopes}
        for value in list(self.main.values()):
            if not isinstance(value, (FunctionType, type)):
                value = type(value)
            for part in (value, *vars(value).values()):
                scope = scopes.get(id(getattr(part, "__globals__", None)))
                if scope is not None:
                    self.keep(scope)

    def keep(self, scope):
        if scope not in self.kept:
            self.kept = [*self.kept[1 - KEPT :], scope]
