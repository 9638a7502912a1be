"""What a newer release adds to a message is ignored: fields at the end of lists, and more names in objects."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core import protocol
from taskyard.core.protocol import (
    AgentInfo,
    Heartbeat,
    KnownType,
    decode_heartbeat,
    decode_orders,
    decode_reports,
    encode,
)
from taskyard.core.redis.decoding import read_orders, read_reports
from taskyard.core.telemetry import live_snapshot
from taskyard.worker.engines.seat_frames import SEAT_FRAMES
from tests.unit.test_protocol import _built, messages, payloads

NEW_NAMES = st.text(st.characters(categories=["Ll"]), min_size=1, max_size=8).map(lambda name: f"new_{name}")
MORE = st.lists(payloads, min_size=1, max_size=3)
MORE_NAMED = st.dictionaries(NEW_NAMES, payloads, min_size=1, max_size=3)


def widened(encoded: bytes, more: list[Any], named: dict[str, Any]) -> bytes:
    """The same messages with more elements at their ends, and more names in the objects that are ours."""
    found = []
    for message in msgspec.json.decode(encoded):
        if message[0] == "hello":
            message[1] |= named
            if message[2] is not None:
                message[2] = [one | named for one in message[2]]
        found.append([*message, *more])
    return encode(found)


@given(messages(*typing.get_args(protocol.Order)), MORE, MORE_NAMED)
def test_of_orders(orders: list[Any], more: list[Any], named: dict[str, Any]) -> None:
    assert decode_orders(widened(encode(orders), more, named)) == decode_orders(encode(orders))
    assert list(read_orders(widened(encode(orders), more, named))) == list(read_orders(encode(orders)))


@given(messages(*typing.get_args(protocol.Report)), MORE, MORE_NAMED)
def test_of_reports(reports: list[Any], more: list[Any], named: dict[str, Any]) -> None:
    # a message that carries another one's text may be written in other words, and says the same
    assert decode_reports(widened(encode(reports), more, named)) == decode_reports(rewritten(encode(reports)))
    assert list(read_reports(widened(encode(reports), more, named))) == list(read_reports(rewritten(encode(reports))))


def rewritten(encoded: bytes) -> bytes:
    return encode(msgspec.json.decode(encoded))


@given(_built(Heartbeat), MORE_NAMED)
def test_of_heartbeats_and_who_sends_them(beat: Heartbeat, named: dict[str, Any]) -> None:
    document = msgspec.json.decode(encode(beat)) | named
    document["agent"] |= named
    assert decode_heartbeat(encode(document)) == beat


@given(_built(KnownType), MORE_NAMED)
def test_of_declared_types_as_postgresql_has_them(known: KnownType, named: dict[str, Any]) -> None:
    assert msgspec.convert(msgspec.to_builtins(known) | named, KnownType) == msgspec.convert(
        msgspec.to_builtins(known), KnownType
    )


@given(MORE_NAMED)
def test_of_the_leaders_snapshot(named: dict[str, Any]) -> None:
    dispatcher = live_snapshot.DispatcherLive("w", 1, 0.0, *[0.0] * 5, 0)
    live = live_snapshot.LiveSnapshot(live_snapshot.VERSION, 1.0, dispatcher, 1.0, [], [], 1.0, [], [], [], [], [])
    document = msgspec.json.decode(encode(live)) | named
    document["dispatcher"] |= named
    assert msgspec.json.decode(encode(document), type=live_snapshot.LiveSnapshot) == live


@given(st.sampled_from(typing.get_args(SEAT_FRAMES)), MORE)
def test_of_what_seats_say(kind: Any, more: list[Any]) -> None:
    values = {name: _of(hint) for name, hint in typing.get_type_hints(kind).items()}
    frame = kind(**values)
    wider = [*msgspec.to_builtins(frame, builtin_types=(bytes,)), *more]
    read = msgspec.msgpack.Decoder(SEAT_FRAMES).decode(msgspec.msgpack.encode(wider))
    assert read == msgspec.msgpack.Decoder(SEAT_FRAMES).decode(msgspec.msgpack.encode(frame))


def _of(hint: Any) -> Any:
    """Some value of a type that a frame has."""
    known = {int: 1, float: 1.0, bool: True, str: "x", bytes: b"x", Any: {"a": 1}}
    if hint in known:
        return known[hint]
    origin = typing.get_origin(hint)
    if origin in (dict, list, tuple):
        return origin()
    return None


def test_an_agent_says_its_version() -> None:
    assert {"version"} <= set(AgentInfo.__struct_fields__)
    assert protocol.VERSION >= 1
