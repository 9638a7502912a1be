"""Measures our keys in Redis and their memory."""

from __future__ import annotations

from dataclasses import dataclass

from redis.exceptions import ResponseError

from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg
from taskyard.core.redis.connection import Client, reaching_redis
from taskyard.core.redis.keys import Keys

ROUNDS = 20  # of SCAN, so that a server full of other keys is not scanned to its end
ROUND_KEYS = 1_000
LENGTHS = {b"zset": "ZCARD", b"stream": "XLEN", b"set": "SCARD", b"list": "LLEN", b"hash": "HLEN", b"string": None}


@dataclass(frozen=True, slots=True)
class KeyKind:
    """All keys whose names begin with the same word: `ready` for all lanes' queues, `agent` for all heartbeats …

    `entries` counts those of streams, sets and hashes.
    """

    name: str
    keys: int
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True)
class RedisMemory:
    """An installation's keys by kind. Not `is_complete`: there were too many keys to read all."""

    kinds: tuple[KeyKind, ...]
    is_complete: bool


def usage(client: Client, keys: Keys) -> RedisMemory:
    """Measures one installation's keys, reading at most ROUNDS × ROUND_KEYS of the server's; raises Unavailable."""
    with reaching_redis():
        found, is_complete = _scan(client, keys)
        sizes = _sizes(client, found)
    totals: dict[str, list[int]] = {}
    for name, (entries, size) in zip(found, sizes, strict=True):
        kind = name.decode(errors="replace").removeprefix(keys.prefix).partition(":")[0]
        total = totals.setdefault(kind, [0, 0, 0])
        for position, value in enumerate((1, entries, size)):
            total[position] += value
    return RedisMemory(tuple(KeyKind(kind, *total) for kind, total in sorted(totals.items())), is_complete)


def _scan(client: Client, keys: Keys) -> tuple[list[bytes], bool]:
    found: dict[bytes, None] = {}  # SCAN may name a key twice
    cursor = 0
    for _ in range(ROUNDS):
        cursor, names = client.scan(cursor, match=f"{keys.prefix}*", count=ROUND_KEYS)
        found.update(dict.fromkeys(names))
        if cursor == 0:
            return list(found), True
    return list(found), False


def _sizes(client: Client, names: list[bytes]) -> list[tuple[int, int]]:
    """Returns (entries, bytes) of each key; zeros for one that expired meanwhile."""
    pipeline = client.pipeline(transaction=False)
    for name in names:
        pipeline.type(name)
    kinds = pipeline.execute()
    for name, kind in zip(names, kinds, strict=True):
        command = LENGTHS.get(kind)
        pipeline.execute_command(command, name) if command else pipeline.exists(name)
        pipeline.memory_usage(name)
    answers = iter(pipeline.execute(raise_on_error=False))  # a key may have become one of another type
    return [(_number(length), _number(size)) for length, size in zip(answers, answers, strict=True)]


def _number(answer: object) -> int:
    return answer if isinstance(answer, int) else 0


def check_writable(client: Client, keys: Keys) -> None:
    """Raises Unavailable if the server accepts no writes now, for whatever reason."""
    try:
        with reaching_redis():
            client.set(f"{keys.prefix}writable", b"1", px=1000)
    except ResponseError as error:
        raise Unavailable(msg("Redis can't be used: {reason}", reason=str(error))) from error
