"""Looking after the mailboxes of agents: what waits and for how long, dead letters, sending them again, emptying."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from core.keys import Keys
from core.messages import GROUP, LENGTH_LIMIT, NAME_LIMIT
from core.redis_client import reaching_redis

BOXES_LIMIT = 1_000
BODY_SHOWN = 1_000  # characters
_PAGE = 500

# KEYS dead letters, stream; ARGV id, limit. 1: sent again; 0: there is none; -1: the mailbox is full.
_REDRIVE = """
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not found then return 0 end
if redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[2]) then return -1 end
local kept = {}
for place = 1, #found[2], 2 do kept[found[2][place]] = found[2][place + 1] end
redis.call('XADD', KEYS[2], '*', 'from', kept['from'] or '', 'body', kept['body'] or '')
return redis.call('XDEL', KEYS[1], ARGV[1])
"""


@dataclass(frozen=True, slots=True)
class Box:
    """The mailbox of one name: messages that wait or are not acknowledged, and for how long the oldest of them does."""

    agent: str
    waiting: int
    oldest_seconds: float
    dead: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it lies there. `deliveries`: how often it was handed out; `reason`: why it is dead, "" if not."""

    id: str
    sender: str
    body: str
    age_seconds: float
    deliveries: int
    reason: str = ""


class Mail:
    """Every method raises Unavailable if Redis is away."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._redis = client
        self._keys = keys
        self._redrive = client.register_script(_REDRIVE)

    def boxes(self) -> list[Box]:
        """The mailboxes that hold anything, by name; at most BOXES_LIMIT."""
        with reaching_redis():
            names = {name for key in (self._keys.messages, self._keys.dead_letters) for name in self._names(key(""))}
        return [box for box in self.boxes_of(sorted(names)[:BOXES_LIMIT]) if box.waiting or box.dead]

    def boxes_of(self, agents: Sequence[str]) -> list[Box]:
        """The mailboxes of these agents, in one round trip. A key of another type is an empty one."""
        if not agents:
            return []
        with reaching_redis():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.time()
            for agent in agents:
                pipeline.xlen(self._keys.messages(agent))
                pipeline.xrange(self._keys.messages(agent), count=1)
                pipeline.xlen(self._keys.dead_letters(agent))
            (seconds, microseconds), *answers = pipeline.execute(raise_on_error=False)
        return [
            _box(agent, seconds + microseconds / 1e6, *answers[3 * place : 3 * place + 3])
            for place, agent in enumerate(agents)
        ]

    def waiting(self, agent: str, limit: int) -> list[Letter]:
        """What waits for an agent, the oldest first."""
        stream = self._keys.messages(agent)
        with reaching_redis():
            now, entries = self._now(), self._entries(stream, limit, newest=False)
            delivered = self._deliveries(stream, limit)
        return [_letter(id_, fields, now, delivered.get(id_, 0)) for id_, fields in entries]

    def dead(self, agent: str, limit: int) -> list[Letter]:
        """What an agent was sent and was given up, the newest first; ids are those of `redrive`."""
        with reaching_redis():
            now, entries = self._now(), self._entries(self._keys.dead_letters(agent), limit, newest=True)
        return [_letter(id_, fields, now, _whole(fields.get(b"deliveries"))) for id_, fields in entries]

    def redrive(self, agent: str, ids: Sequence[str] | None) -> tuple[int, bool]:
        """Sends dead letters again, all of them for None; returns how many, and whether the mailbox became full."""
        dead, stream = self._keys.dead_letters(agent), self._keys.messages(agent)
        count = 0
        with reaching_redis():
            wanted = [id_.decode() for id_, _ in self._all(dead)] if ids is None else ids
            for id_ in wanted:
                done = self._redrive(keys=[dead, stream], args=[id_, LENGTH_LIMIT])
                if done < 0:
                    return count, True
                count += done
        return count, False

    def purge(self, agent: str, *, dead_only: bool) -> int:
        """Removes an agent's dead letters, and without `dead_only` all that waits for it; returns how many."""
        streams = [self._keys.dead_letters(agent), *([] if dead_only else [self._keys.messages(agent)])]
        with reaching_redis():
            count = sum(map(self._length, streams))
            self._redis.delete(*streams)
        return count

    # ours

    def _names(self, prefix: str) -> Iterator[str]:
        for key in self._redis.scan_iter(match=f"{_literal(prefix)}*", count=_PAGE):
            name = key.decode(errors="replace")[len(prefix) :]
            if 1 <= len(name) <= NAME_LIMIT and name.isprintable():
                yield name

    def _length(self, stream: str) -> int:
        return int(self._redis.xlen(stream)) if self._is_stream(stream) else 0

    def _entries(self, stream: str, limit: int, *, newest: bool) -> list[tuple[bytes, dict[bytes, bytes]]]:
        if not self._is_stream(stream):
            return []
        read = self._redis.xrevrange if newest else self._redis.xrange
        return list(read(stream, count=limit))

    def _all(self, stream: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        return self._entries(stream, LENGTH_LIMIT, newest=False)

    def _deliveries(self, stream: str, limit: int) -> dict[bytes, int]:
        try:
            pending: Any = self._redis.xpending_range(stream, GROUP, min="-", max="+", count=limit)
        except redis.ResponseError:  # nobody has ever read it
            return {}
        return {entry["message_id"]: int(entry["times_delivered"]) for entry in pending}

    def _is_stream(self, key: str) -> bool:
        return bool(self._redis.type(key) == b"stream")

    def _now(self) -> float:
        seconds, microseconds = self._redis.time()
        return float(seconds + microseconds / 1e6)


def _box(agent: str, now: float, waiting: object, oldest: object, dead: object) -> Box:
    age = max(0.0, now - _seconds(oldest[0][0])) if isinstance(oldest, list) and oldest else 0.0
    counts = [count if isinstance(count, int) else 0 for count in (waiting, dead)]
    return Box(agent, counts[0], age, counts[1])


def _letter(id_: bytes, fields: dict[bytes, bytes], now: float, deliveries: int) -> Letter:
    texts = [fields.get(name, b"").decode(errors="backslashreplace") for name in (b"from", b"body", b"reason")]
    return Letter(id_.decode(), texts[0], texts[1], max(0.0, now - _seconds(id_)), deliveries, texts[2])


def _seconds(id_: bytes) -> float:
    return int(id_.partition(b"-")[0]) / 1000


def _whole(text: bytes | None) -> int:
    return int(text) if text is not None and text.isdigit() and len(text) < 10 else 0


def _literal(prefix: str) -> str:
    """A prefix in which nothing is a pattern."""
    return "".join(f"\\{character}" if character in "*?[]\\^-" else character for character in prefix)
