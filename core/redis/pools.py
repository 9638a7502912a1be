"""Exchanges what pools of agents say of themselves for the numbers of agents that are wanted.

A pool tells every second what it keeps running; the leader copies the wanted numbers from PostgreSQL. Both are lost
with Redis, and are there again within seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from taskyard.core.absent_agents import absence_text
from taskyard.core.i18n import TranslatableText
from taskyard.core.protocol_values import MAX_LISTED, Name
from taskyard.core.redis.connection import Client, reaching_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.scheduling.pool_sizes import MAX_AGENTS

TTL_SECONDS = 10
MAX_POOLS = 10_000

MAX_TOLD = 3  # agents of a kind of which a pool says why they are absent

Number = Annotated[int, Meta(ge=0, le=MAX_AGENTS)]


class AbsentAgent(msgspec.Struct):
    """An agent that should run and is not online, for so many seconds.

    It has failed `failures` times in a row, last for `reason`; 0: it is starting, and `reason` is what it waits for.
    """

    name: Name
    seconds: float
    failures: Annotated[int, Meta(ge=0)]
    reason: str

    @property
    def text(self) -> TranslatableText:
        """Returns why it is not online."""
        return absence_text(self.name, self.seconds, self.failures, self.reason)


class KindReport(msgspec.Struct):
    """The agents of one kind in one pool.

    `configured` is the number in the pool file, `wanted` the one that the pool goes by. Of those that stay `running`
    are online, `starting` are not yet, and `failing` fail again and again; `absent` says why of the worst of both.
    `leaving` ones finish what they run. With `is_fixed` the pool goes by its file alone; it can keep `most`.
    """

    kind: Name
    types: Annotated[list[Name], Meta(max_length=MAX_LISTED)]
    tags: Annotated[list[Name], Meta(max_length=MAX_LISTED)]
    slots: Annotated[int, Meta(ge=1)]
    configured: Number
    wanted: Number
    running: Annotated[int, Meta(ge=0)]
    leaving: Annotated[int, Meta(ge=0)]
    is_fixed: bool = False
    starting: Annotated[int, Meta(ge=0)] = 0
    failing: Annotated[int, Meta(ge=0)] = 0
    absent: Annotated[list[AbsentAgent], Meta(max_length=MAX_LISTED)] = []
    most: Number = MAX_AGENTS


class PoolReport(msgspec.Struct):
    """What one pool keeps running. `name` is that of its host, with a number of its own."""

    name: Name
    host: Name
    kinds: Annotated[list[KindReport], Meta(max_length=MAX_LISTED)]


_encode = msgspec.json.Encoder().encode
_decode_report = msgspec.json.Decoder(PoolReport).decode
_decode_sizes = msgspec.json.Decoder(dict[str, Number]).decode


class Pools:
    """Both sides of the exchange; every method raises Unavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._redis, self._keys = client, keys

    def exchange(self, report: PoolReport) -> Mapping[str, int] | None:
        """Stores a pool's report; returns the wanted numbers by kind, None while they are unknown."""
        with reaching_redis():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.sadd(self._keys.pools, report.name)
            pipeline.set(self._keys.pool(report.name), _encode(report), ex=TTL_SECONDS)
            pipeline.get(self._keys.pool_sizes)
            found = pipeline.execute()[-1]
        return _valid_sizes(found)

    def leave(self, name: str) -> None:
        """Deletes the report of a pool that ends."""
        with reaching_redis():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.srem(self._keys.pools, name)
            pipeline.delete(self._keys.pool(name))
            pipeline.execute()

    def publish(self, sizes: Mapping[str, int]) -> None:
        """Stores the wanted numbers by kind, for the pools."""
        with reaching_redis():
            self._redis.set(self._keys.pool_sizes, _encode(dict(sizes)))

    def reports(self) -> Sequence[PoolReport]:
        """Returns what the pools that live say of themselves, by name; forgets those that are gone."""
        with reaching_redis():
            names = sorted(self._redis.smembers(self._keys.pools))[:MAX_POOLS]
            if not names:
                return []
            texts = self._redis.mget([self._keys.pool("").encode() + name for name in names])
            if gone := [name for name, text in zip(names, texts, strict=True) if text is None]:
                self._redis.srem(self._keys.pools, *gone)
        return [report for text in texts if text is not None and (report := _valid_report(text)) is not None]


def _valid_report(text: bytes) -> PoolReport | None:
    """Returns a report; None for one that another release, or another program, wrote: it is overwritten or expires."""
    try:
        return _decode_report(text)
    except msgspec.MsgspecError:
        return None


def _valid_sizes(text: bytes | None) -> Mapping[str, int] | None:
    try:
        return None if text is None else _decode_sizes(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # the leader overwrites it within a second
        return None
