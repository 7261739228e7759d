"""Runs a configuration file of ipcluster with a recorder in place of `c`; prints what it sets, as JSON, key by key."""

import json
import os
import sys


class Section:
    """Records what is set on it, as `NAME.attribute`."""

    def __init__(self, name, values):
        self.__dict__["_name"] = name
        self.__dict__["_values"] = values

    def __getattr__(self, attribute):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        key = "%s.%s" % (self._name, attribute)
        # what is appended to before it is set begins empty
        return self._values.setdefault(key, Additions())

    def __setattr__(self, attribute, value):
        self._values["%s.%s" % (self._name, attribute)] = value

    __getitem__, __setitem__ = __getattr__, __setattr__


class Additions(list):
    """A list, or a dict, that the file adds to without having set it."""

    def prepend(self, values):
        self[:0] = values

    def update(self, values):
        self.extend(values.items() if isinstance(values, dict) else values)

    add = list.append


class Config:
    """Stands for `c`."""

    def __init__(self):
        self.__dict__["_values"] = {}
        self.__dict__["_sections"] = {}

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._sections.setdefault(name, Section(name, self._values))

    __getitem__ = __getattr__


def plain(value):
    """A value as JSON has it; a class is its name."""
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def run(path, config):
    directory = os.path.dirname(os.path.abspath(path))

    def load_subconfig(name, profile=None):
        run(os.path.join(directory, name), config)

    names = {
        "__file__": path,
        "__name__": "__main__",
        "c": config,
        "get_config": lambda: config,
        "load_subconfig": load_subconfig,
    }
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec"), names)


config = Config()
out, sys.stdout = sys.stdout, sys.stderr
run(sys.argv[1], config)
values = {key: plain(value) for key, value in config._values.items()}
json.dump({key: value for key, value in values.items() if value != []}, out)
