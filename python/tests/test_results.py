"""What can be asked of results, before and after they are there."""

from rpar.asyncresult import AsyncMapResult, AsyncResult
from rpar.serialize import APPLY, CALL, CHUNK, argument_bytes, function_bytes


def group_of(client, how, function, arguments):
    """A group of a task for each argument."""
    session = client._session
    group, options = session.group(), client.load_balanced_view()._options()
    session.submit(group, session.define(function_bytes(how, function)), options, [argument_bytes(a) for a in arguments])
    return group


def test_message_ids_are_those_of_the_client(client, lview):
    assert client.history == [] and client.outstanding == set()
    one, many = lview.apply(abs, -1), lview.map(abs, range(3))
    assert one.msg_ids == [client._session_id + "_0"]
    assert one.msg_ids + many.msg_ids == client.history
    assert many.get() == [0, 1, 2] and one.get() == 1
    assert client.outstanding == set()
    assert client._history.find(many.msg_ids[2]) == (many, 2)
    assert client._history.find("another_2") is None


def test_what_has_not_ended_is_outstanding(client, held_call):
    with held_call() as result:
        assert client.outstanding == set(result.msg_ids)
        assert client._history.groups() == [result._group]
    result.get(60)
    assert client.outstanding == set() and client._history.groups() == []


def test_groups_that_have_ended_are_let_go(client, lview):
    for _ in range(200):
        lview.apply_sync(abs, -1)
    assert len(client._history._groups) < 100
    assert len(client.history) == 200


def test_a_call_on_several_engines_is_a_list(client):
    result = AsyncResult(client, group_of(client, APPLY, abs, [((-1,), {}), ((-2,), {})]), "abs", single=False)
    assert result.get(60) == [1, 2] and list(result) == [1, 2] and len(result.engine_id) == 2


def test_parts_of_unequal_length(client):
    parts = [[(-1,), (-2,), (-3,)], [(-4,)], [(-5,), (-6,)]]
    result = AsyncMapResult(client, group_of(client, CHUNK, abs, parts), "abs", chunks=([3, 1, 2], 6))
    assert len(result) == 6 and list(result) == [1, 2, 3, 4, 5, 6] and result.get() == [1, 2, 3, 4, 5, 6]
    assert result.progress == 6
    lists = AsyncMapResult(client, group_of(client, CALL, lambda x: [x], [(1,), (2,)]), "f", chunks=(1, 2))
    assert lists.get(60) == [[1], [2]] == list(lists)
