"""Sequences in parts, and back together: contiguous blocks (``b``), or dealt out like cards (``r``)."""

import sys
from itertools import chain
from typing import Any, Iterable, List, Sequence, Tuple

#: Known ways to part a sequence.
WAYS = ("b", "r")


def check_way(dist: str) -> None:
    """Checks that `dist` is a known way.

    Raises
    ------
    ValueError
        If it is not.
    """
    if dist not in WAYS:
        raise ValueError("dist must be 'b' (blocks) or 'r' (dealt out), not %r" % (dist,))


def blocks(items: int, parts: int) -> List[Tuple[int, int]]:
    """Begins and ends of `parts` contiguous parts of `items` items; their lengths differ by 1 at most, longer ones first."""
    size, longer = divmod(items, parts)
    ends = [size * (n + 1) + min(n + 1, longer) for n in range(parts)]
    return list(zip([0] + ends[:-1], ends))


def part(sequence: Any, items: int, parts: int, dist: str) -> List[Any]:
    """Parts the first `items` items of a sequence; slices of it, so that an array's parts are arrays."""
    if dist == "r":
        return [sequence[n:items:parts] for n in range(parts)]
    return [sequence[low:high] for low, high in blocks(items, parts)]


def join(parts: List[Any], dist: str) -> Any:
    """Puts parts together: arrays to an array (of their shape but for the first axis), lists, tuples and ranges to a list;
    what are no sequences stand in a list as they are."""
    if not parts:
        return parts
    first = parts[0]
    if is_array(first) and first.ndim:
        return _join_arrays(parts, dist)
    if not isinstance(first, (list, tuple, range)):
        return parts
    if dist == "b":
        return list(chain.from_iterable(parts))
    longest = max(len(part) for part in parts)
    return [part[n] for n in range(longest) for part in parts if n < len(part)]


def _join_arrays(parts: List[Any], dist: str) -> Any:
    import numpy

    joined = numpy.concatenate(parts)
    if dist == "b":
        return joined
    dealt = numpy.empty_like(joined)
    for n, part in enumerate(parts):
        dealt[n :: len(parts)] = part
    return dealt


def is_array(value: Any) -> bool:
    """Whether it is an array of NumPy, which is not imported for that."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def sliceable(sequence: Iterable[Any]) -> Any:
    """The sequence itself if it has a length and slices, else a list of its items."""
    # arrays, series and the like are no `Sequence`, but say what their items are
    if isinstance(sequence, Sequence) or (hasattr(sequence, "dtype") and hasattr(sequence, "__len__")):
        return sequence
    return list(sequence)
