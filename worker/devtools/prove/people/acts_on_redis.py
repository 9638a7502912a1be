"""Leaves foreign data in Redis: entries, members and keys that no part of ours wrote."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from taskyard.worker.devtools.prove.people import plan

if TYPE_CHECKING:
    from taskyard.worker.devtools.prove.people.yard import Yard

NESTED = b"[" * 2000 + b"]" * 2000
PAYLOADS = (
    b"",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"{}",
    NESTED,
    b'[["done","x"]]',
    b'[{"type":"done","task_id":"x","attempt":-1}]',
    b'[["done","00000000-0000-7000-8000-000000000000",1,' + NESTED + b",null,1e300,1e300]]",
    b'[["hello",{"id":"\\u0000"}]]',
    b'[["gone","nobody","left"]]',
)
MEMBERS = (b"", b"not an id", b"\xff\xff", b"x" * 10_000, b"|||", b"00000000-0000-0000-0000-000000000000")


@contextmanager
def leave_junk(yard: Yard, act: plan.Act) -> Iterator[None]:
    """Writes foreign data at random places; nothing removes it."""
    random_ = random.Random(act.which)
    for _ in range(5):
        _PLACES[act.way](yard, random_)
    yield


def _results(yard: Yard, random_: random.Random) -> None:
    yard.broker.redis.xadd(yard.broker.keys.results, {random_.choice((b"m", b"x")): random_.choice(PAYLOADS)})


def _ready(yard: Yard, random_: random.Random) -> None:
    lane = random_.choice(_lanes(yard) or [b"default|prove.thread|"]).decode("utf-8", "replace")
    yard.broker.redis.zadd(yard.broker.keys.ready(lane), {random_.choice(MEMBERS): random_.choice((-1e300, 0, 1e300))})
    yard.broker.redis.sadd(yard.broker.keys.lanes, lane)


def _due(yard: Yard, random_: random.Random) -> None:
    yard.broker.redis.zadd(yard.broker.keys.due, {random_.choice(MEMBERS): random_.choice((0, -1e300))})


def _lane(yard: Yard, random_: random.Random) -> None:
    yard.broker.redis.sadd(yard.broker.keys.lanes, random_.choice(MEMBERS))


def _wake(yard: Yard, random_: random.Random) -> None:
    yard.broker.redis.xadd(yard.broker.keys.wake, {random_.choice((b"m", b"lane", b"x")): random_.choice(MEMBERS)})


def _heartbeat(yard: Yard, random_: random.Random) -> None:
    name = random_.choice(("odd", "odd:", ":", "a\x00b:c", "x" * 300, "odd:boot"))
    yard.broker.redis.sadd(yard.broker.keys.agents, name)
    yard.broker.redis.set(yard.broker.keys.heartbeat(name), random_.choice(PAYLOADS), ex=5)


def _inbox(yard: Yard, random_: random.Random) -> None:
    for agent_id in yard.agent_ids()[:1]:
        field = random_.choice((b"m", b"x"))
        yard.broker.redis.xadd(yard.broker.keys.inbox(agent_id), {field: random_.choice(PAYLOADS)})


def _wrong_type(yard: Yard, random_: random.Random) -> None:
    key = random_.choice(
        (yard.broker.keys.wake, yard.broker.keys.due, yard.broker.keys.lanes, yard.broker.keys.ready("odd"))
    )
    pipeline = yard.broker.redis.pipeline(transaction=True)
    pipeline.delete(key)
    pipeline.set(key, "somebody's value")
    pipeline.execute()


def _lanes(yard: Yard) -> list[bytes]:
    return sorted(yard.broker.redis.smembers(yard.broker.keys.lanes))


_PLACES: dict[str, Callable[[Yard, random.Random], None]] = {
    "results": _results,
    "ready": _ready,
    "due": _due,
    "lanes": _lane,
    "wake": _wake,
    "heartbeat": _heartbeat,
    "inbox": _inbox,
    "wrong type": _wrong_type,
}
