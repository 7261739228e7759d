"""Whether client and engines run the same Python: code that is sent by value is bytecode, which minor versions do not share."""

import sys
import warnings
from typing import Optional, Set, Tuple

#: This Python's minor version, such as 3.11.
OWN = "%d.%d" % sys.version_info[:2]

#: Stands behind the pickles of functions, and behind those of results that another version has made: pickles end at their
#: own end, whatever follows.
MARK = b"\nPython "

_warned: Set[Tuple[str, str]] = set()


def stamp() -> bytes:
    """What follows a function's pickle, so that an engine knows who has made it."""
    return MARK + OWN.encode()


def other(payload: bytes) -> Optional[Tuple[str, str]]:
    """Version and executable of the Python that has made a result, if it is of another minor version than this one."""
    # a pickle ends with a full stop
    if payload.endswith(b"."):
        return None
    begin = payload.rfind(b"." + MARK)
    if begin < 0:
        return None
    version, _, executable = payload[begin + 1 + len(MARK) :].decode("utf-8", "replace").partition(" ")
    return version, executable


def warn(payload: bytes) -> None:
    """Warns once of each Python that has made a result, if it is of another minor version than this one."""
    found = other(payload)
    if found is None or found in _warned:
        return
    _warned.add(found)
    warnings.warn(
        "the engines run Python %s (%s), and this is Python %s: functions that are sent by value may fail there, and their "
        "results here; start the cluster where this Python is active, or name it as [python] executable in the profile"
        % (*found, OWN),
        RuntimeWarning,
        stacklevel=2,
    )


def explained(payload: bytes) -> str:
    """Why a result may not be unpickled here; empty if versions are no reason."""
    found = other(payload)
    return "" if found is None else "; it was made by Python %s (%s), and this is Python %s" % (*found, OWN)
