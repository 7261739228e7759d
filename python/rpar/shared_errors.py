"""Exceptions that are those of `concurrent.futures` too."""

import concurrent.futures
from typing import Any, Tuple

from . import error

#: Before Python 3.11 futures had a time-out of their own.
if concurrent.futures.TimeoutError is TimeoutError:
    LateError = TimeoutError
else:

    class LateError(TimeoutError, concurrent.futures.TimeoutError):  # type: ignore[no-redef]
        """It was not there in time."""


class Cancelled(error.TaskAborted, concurrent.futures.CancelledError):
    """A `TaskAborted` that is what futures raise too."""

    def __reduce__(self) -> Tuple[Any, ...]:
        return (error.TaskAborted, *super().__reduce__()[1:])


Cancelled.__name__ = Cancelled.__qualname__ = "TaskAborted"
Cancelled.__module__ = error.__name__
