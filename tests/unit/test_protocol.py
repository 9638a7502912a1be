"""Every message between dispatcher and agents reads back, and payloads pass untouched."""

from __future__ import annotations

import types
import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core import protocol
from taskyard.core.protocol import (
    NULL,
    Done,
    Failure,
    Heartbeat,
    Run,
    decode_heartbeat,
    decode_orders,
    decode_reports,
    encode,
)
from tests.unit.leader_state_support import heartbeat, task_id

texts = st.text(st.characters(exclude_categories=["Cs"]))
finite = st.floats(allow_nan=False, allow_infinity=False)
attempts = st.integers(1, protocol.MAX_INTEGER)
payloads = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
pairs = st.lists(st.tuples(st.uuids().map(str), attempts), max_size=4)
st.register_type_strategy(msgspec.Raw, payloads.map(lambda value: msgspec.Raw(msgspec.json.encode(value))))


def messages(*kinds: type) -> st.SearchStrategy[list[typing.Any]]:
    """Lists of messages, as one stream entry holds them."""
    return st.lists(st.one_of([_built(kind) for kind in kinds]), max_size=4)


def _built(kind: type) -> st.SearchStrategy[typing.Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{name: _value(hints[name]) for name in kind.__struct_fields__})  # type: ignore[attr-defined]


def _value(hint: typing.Any) -> st.SearchStrategy[typing.Any]:
    """Values of a field within its range."""
    if hint is typing.Any:
        return payloads
    if hint is float:
        return finite
    if hint is str:
        return texts
    if hint == list[protocol.Pair]:
        return pairs
    if hint == list[protocol.KnownType]:
        return st.lists(_built(protocol.KnownType), max_size=2)
    if hint == dict[str, typing.Any]:
        return st.dictionaries(texts, payloads, max_size=3)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _built(hint)
    if hint is msgspec.Raw:
        return st.from_type(hint)
    if typing.get_origin(hint) is typing.Annotated:
        return _within(*typing.get_args(hint))
    if isinstance(hint, types.UnionType) and type(None) not in typing.get_args(hint):
        return st.one_of([_value(each) for each in typing.get_args(hint)])
    if typing.get_args(hint) and type(None) in typing.get_args(hint):
        return st.none() | st.one_of([_value(h) for h in typing.get_args(hint) if h is not type(None)])
    return st.from_type(hint)


def _within(hint: typing.Any, meta: msgspec.Meta) -> st.SearchStrategy[typing.Any]:
    if typing.get_origin(hint) is dict:
        names = texts.map(lambda text: text.replace("\x00", "")[:100]).filter(bool)
        return st.dictionaries(names, st.integers(0, 9), max_size=3)
    if hint is int:
        return st.integers(meta.ge, meta.le)
    if hint is float:
        least = meta.ge if meta.ge is not None else meta.gt
        return st.floats(least, meta.le, exclude_min=meta.ge is None, allow_nan=False, allow_infinity=False)
    if meta.min_length == 36:
        return st.uuids().map(str)
    if meta.pattern is not None and meta.max_length is None:
        return st.tuples(st.integers(0, 1 << 64), st.integers(0, 1 << 64)).map(lambda parts: f"{parts[0]}-{parts[1]}")
    if meta.pattern is not None:
        characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
        return st.text(characters, min_size=meta.min_length or 0, max_size=min(meta.max_length, 100))
    return texts if hint is str else st.lists(_value(typing.get_args(hint)[0]), max_size=4)


@given(messages(*typing.get_args(protocol.Order)))
def test_orders_read_back(orders: list[protocol.Order]) -> None:
    assert decode_orders(encode(orders)) == orders


@given(messages(*typing.get_args(protocol.Report)))
def test_reports_read_back(reports: list[protocol.Report]) -> None:
    assert decode_reports(encode(reports)) == reports


@given(_built(Heartbeat))
def test_a_heartbeat_reads_back(beat: Heartbeat) -> None:
    assert decode_heartbeat(encode(beat)) == beat


def test_every_tag_is_its_own() -> None:
    for union in (protocol.Order, protocol.Report):
        tags = [kind.__struct_config__.tag for kind in typing.get_args(union)]
        assert len(tags) == len(set(tags))


@pytest.mark.parametrize("raw", [b"1.0", b"18446744073709551615", b'{"b":1,"a":1e2}', b'"\\u00e9"', b"[ 1 , 2 ]"])
def test_a_payload_is_not_rewritten(raw: bytes) -> None:
    run = Run(task_id(1), 1, "demo.work", msgspec.Raw(raw), 1.0, raw.decode(), 1)
    [order] = decode_orders(encode([run]))
    assert isinstance(order, Run)
    assert bytes(order.input) == raw
    assert order.checkpoint == raw.decode()
    [report] = decode_reports(encode([Done(task_id(1), 1, msgspec.Raw(raw), None, 1.0, 1.0)]))
    assert isinstance(report, Done)
    assert bytes(report.output) == raw


def test_a_failure_carries_no_output() -> None:
    done = Done(task_id(1), 2, NULL, Failure("timeout", "too long"), 1.0, 2.0)
    assert decode_reports(encode([done])) == [done]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[1]",
        b'[["unknown",1]]',
        b'[["done","id"]]',
        b'[["done","id","one",null,null,0,0]]',
        b'[["run","id",1,"t",{},1.0,null,1]]',  # an order is no report
        b'[["gone","a","left"]] and more',
    ],
)
def test_what_is_no_report(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode_reports(payload)


def test_a_newer_agent_may_say_more() -> None:
    longer = encode([["gone", "a:1", "left", "", "something new"]])
    assert decode_reports(longer) == [protocol.Deregister("a:1", "left")]
    document = msgspec.json.decode(encode(heartbeat())) | {"new": 1}
    assert decode_heartbeat(encode(document)) == heartbeat()


def test_agents_and_leaders_of_before_and_after_known_types_understand_each_other() -> None:
    agent = {"id": "a:1", "name": "a", "boot_id": "1", "kind": "k", "host": "h", "pid": 1, "types": ["*"], "tags": []}
    agent["max_concurrency"] = 3
    hello, returned = decode_reports(msgspec.json.encode([["hello", agent], ["returned", "a:1", [[task_id(1), 1]]]]))
    assert (hello.known_types, returned.task_type) == (None, None)

    class OldReturned(msgspec.Struct, array_like=True, tag="returned"):
        agent_id: str
        pairs: list[tuple[str, int]]

    class OldHello(msgspec.Struct, array_like=True, tag="hello"):
        agent: protocol.AgentInfo

    known = [protocol.KnownType("a.b", "1", [])]
    new = encode([protocol.Register(hello.agent, known), protocol.Released("a:1", [(task_id(1), 1)], "a.b", "why")])
    old_hello, old_returned = msgspec.json.decode(new, type=list[OldHello | OldReturned])
    assert (old_hello.agent, old_returned.pairs) == (hello.agent, [(task_id(1), 1)])
