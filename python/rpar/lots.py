"""Arguments on their way: pickled in lots of a bounded size."""

import pickle
from itertools import islice
from typing import Any, Iterable, Iterator, List, Tuple

from . import serialize

#: Arguments are handed over in lots: so many tasks, or so many bytes.
LOT_TASKS = 1024
LOT_BYTES = 1 << 20


class Calls:
    """The calls of a map: items of the sequences, `chunksize` of them for each task.

    Attributes
    ----------
    items : int
        How many items have been taken from the sequences so far.
    """

    def __init__(self, sequences: Tuple[Iterable[Any], ...], chunksize: int) -> None:
        calls = zip(*sequences)
        self.chunksize = chunksize
        self.items = 0
        self._tasks: Iterable[Any] = calls if chunksize == 1 else iter(lambda: list(islice(calls, chunksize)), [])

    def __iter__(self) -> Iterator[Any]:
        for task in self._tasks:
            self.items += 1 if self.chunksize == 1 else len(task)
            yield task


def lots(tasks: Iterable[Any]) -> Iterator[List[bytes]]:
    """Pickles arguments, in lots of a bounded size."""
    dumps, protocol, main, marks = pickle.dumps, serialize.PROTOCOL, serialize.MAIN, serialize.marks()
    lot: List[bytes] = []
    size = 0
    for task in tasks:
        try:
            data = dumps(task, protocol)
            if main in data or marks and any(mark in data for mark in marks):
                data = serialize.argument_bytes(task)
        except Exception:
            data = serialize.argument_bytes(task)
        lot.append(data)
        size += len(data)
        if size >= LOT_BYTES or len(lot) >= LOT_TASKS:
            yield lot
            lot, size = [], 0
    if lot:
        yield lot
