"""Records of tasks, and which of them a query means: that of ``db_query``, in the form of MongoDB's."""

from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional

Record = Dict[str, Any]

#: What an operator asks of a value.
_TESTS: Dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, wanted: bool(value == wanted),
    "$ne": lambda value, wanted: bool(value != wanted),
    "$lt": lambda value, wanted: value is not None and bool(value < wanted),
    "$lte": lambda value, wanted: value is not None and bool(value <= wanted),
    "$gt": lambda value, wanted: value is not None and bool(value > wanted),
    "$gte": lambda value, wanted: value is not None and bool(value >= wanted),
    "$in": lambda value, wanted: value in wanted,
    "$nin": lambda value, wanted: value not in wanted,
    "$all": lambda value, wanted: all(item in value for item in wanted),
    "$mod": lambda value, wanted: value is not None and bool(value % wanted[0] == wanted[1]),
    "$exists": lambda value, wanted: (value is not None) == bool(wanted),
}


def select(records: Iterable[Record], query: Mapping[str, Any], keys: Optional[List[str]]) -> List[Record]:
    """The records that a query means, each with `keys` and its ``msg_id``, or with all that it has.

    Parameters
    ----------
    query : dict
        For each key the value that is wanted, or a dict of operators: ``{"engine_id": 3}``,
        ``{"submitted": {"$gt": yesterday}}``. An empty one means all.

    Raises
    ------
    ValueError
        If an operator is not known.
    """
    tests = [(key, test, wanted) for key, value in query.items() for test, wanted in _tests(value)]
    chosen = (record for record in records if all(test(record.get(key), wanted) for key, test, wanted in tests))
    if keys is None:
        return list(chosen)
    return [{key: record.get(key) for key in ["msg_id", *keys]} for record in chosen]


def _tests(value: Any) -> Iterable[Any]:
    if not isinstance(value, dict):
        return [(_TESTS["$eq"], value)]
    unknown = [name for name in value if name not in _TESTS]
    if unknown:
        raise ValueError("a query has no %s; it has %s" % (", ".join(map(str, unknown)), ", ".join(_TESTS)))
    return [(_TESTS[name], wanted) for name, wanted in value.items()]
