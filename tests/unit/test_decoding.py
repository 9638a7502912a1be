"""What can be read of an entry: one message that is none does not take its neighbours with it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.protocol import Deregister, encode
from taskyard.core.redis.decoding import Unreadable, elements, read_orders, read_reports
from tests.unit.leader_state_support import task_id

GOOD = b'["gone","a:1","left"]'
DEEP = b"[" * 2_000 + b"]" * 2_000
ID = task_id(1).encode()


@pytest.mark.parametrize(
    ("bad", "kind", "pair"),
    [
        (b'["done","%s",3,%s,null,0,0.5]' % (ID, DEEP), "done", (task_id(1), 3)),
        (b'["done","%s",3,{},null,0,1e300]' % ID, "done", (task_id(1), 3)),
        (b'["done","%s",-3,{},null,0,1]' % ID, "done", (task_id(1), None)),
        (b'["log","a:1","%s",3,"info","\xff"]' % ID, "log", (task_id(1), 3)),
        (b'["progress","no id",3,0.5,"a"]', "progress", (None, 3)),
        (b'["nobody"]', "", (None, None)),
        (b"1", "", (None, None)),
    ],
)
def test_neighbours_are_read(bad: bytes, kind: str, pair: tuple[str | None, int | None]) -> None:
    first, odd, last = read_reports(b"[" + GOOD + b"," + bad + b" , " + GOOD + b"]")
    assert first == last == Deregister("a:1", "left")
    assert isinstance(odd, Unreadable)
    assert (odd.kind, odd.task_id, odd.attempt) == (kind, *pair)
    assert odd.text.strip() == bad
    assert odd.reason


@given(st.binary(max_size=200))
def test_whatever_is_read_is_told_of(payload: bytes) -> None:
    for message in (*read_reports(payload), *read_orders(payload)):
        assert not isinstance(message, Unreadable) or message.reason


@given(st.lists(st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner), max_leaves=5)))
def test_elements_are_those_of_the_array(values: list[object]) -> None:
    assert [msgspec.json.decode(text) for text in elements(encode(values)) or ()] == values


@pytest.mark.parametrize("text", [b"", b"{}", b"[1", b"[1]]", b"x[1]", b'["a]', b"1"])
def test_what_is_no_array_has_none(text: bytes) -> None:
    assert elements(text) is None
