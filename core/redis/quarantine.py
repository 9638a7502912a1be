"""Quarantines what could not be processed, so that everything else goes on: a capped stream in Redis.

An item is kept until an operator drops it, or until ITEMS_LIMIT newer ones came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.redis.connection import Client, reaching_redis
from taskyard.core.redis.entry_ids import is_entry_id
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.raw_commands import Script

MAX_ITEMS = 1_000
MAX_TEXT_BYTES = 16 << 10  # of the text that is kept; the whole may have up to 16 MiB
MAX_REASON_LENGTH = 500  # characters
_NUMBERS = ("attempt", "size_bytes")


@dataclass(frozen=True, slots=True)
class Odd:
    """An item that could not be processed, with the reason.

    `source` is its kind (report, order, member, heartbeat, wake-up, key, row), `place` where it was found: a key
    without its prefix, with the entry or member. `text` is the beginning of its content.
    """

    source: str
    place: str
    reason: str
    text: bytes = b""
    task_id: str | None = None
    attempt: int | None = None
    agent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An item as stored; `at` is epoch seconds of the Redis server's clock, `size_bytes` that of the whole text."""

    id: str
    at: float
    source: str
    place: str
    reason: str
    text: str
    size_bytes: int
    task_id: str | None
    attempt: int | None
    agent_id: str | None

    @classmethod
    def from_entry(cls, entry_id: bytes, given: dict[bytes, bytes]) -> Self:
        """Reads an entry of the stream, whatever it holds."""
        texts = {
            name.decode(errors="replace"): value.decode(errors="backslashreplace") for name, value in given.items()
        }
        values: dict[str, Any] = {f.name: texts.get(f.name) for f in fields(cls)}
        for name in _NUMBERS:
            values[name] = int(texts[name]) if texts.get(name, "").isdecimal() else None
        for name in ("source", "place", "reason", "text"):
            values[name] = values[name] or ""
        values["size_bytes"] = values["size_bytes"] or 0
        milliseconds = int(entry_id.partition(b"-")[0])
        return cls(**{**values, "id": entry_id.decode(), "at": milliseconds / 1000})


class Quarantine:
    """Writes and reads an installation's quarantined items. Every method raises Unavailable if Redis is away."""

    def __init__(self, client: Client, keys: Keys, script: Script) -> None:
        self._redis = client
        self._keys = keys
        self._add = script

    def add(self, items: Iterable[Odd]) -> None:
        """Quarantines items, each cut to MAX_TEXT_BYTES."""
        with reaching_redis():
            for item in items:
                given: dict[bytes, str | bytes] = {
                    b"source": item.source,
                    b"place": item.place[:MAX_REASON_LENGTH],
                    b"reason": item.reason[:MAX_REASON_LENGTH],
                    b"text": item.text[:MAX_TEXT_BYTES],
                    b"size_bytes": str(len(item.text)),
                    b"task_id": item.task_id or "",
                    b"attempt": "" if item.attempt is None else str(item.attempt),
                    b"agent_id": item.agent_id or "",
                }
                arguments = [part for name, value in given.items() if value for part in (name, _bytes(value))]
                self._add(keys=[self._keys.quarantine, self._keys.nothing], args=[MAX_ITEMS, *arguments])

    def newest(self, count: int = MAX_ITEMS) -> list[Quarantined]:
        """Returns the newest items, newest first."""
        with reaching_redis():
            if not self._exists():
                return []
            entries = self._redis.xrevrange(self._keys.quarantine, count=count)
        return [Quarantined.from_entry(entry_id, given) for entry_id, given in entries]

    def get(self, item_id: str) -> Quarantined | None:
        """Returns one item; None if it does not exist (any more). Raises SubmissionError for an invalid id."""
        wanted = _checked(item_id)
        with reaching_redis():
            entries = self._redis.xrange(self._keys.quarantine, wanted, wanted) if self._exists() else []
        return Quarantined.from_entry(*entries[0]) if entries else None

    def drop(self, item_ids: Sequence[str]) -> int:
        """Deletes items; returns how many existed. Raises SubmissionError for an invalid id."""
        wanted = [_checked(item_id) for item_id in item_ids]
        with reaching_redis():
            return int(self._redis.xdel(self._keys.quarantine, *wanted)) if wanted and self._exists() else 0

    def drop_all(self) -> int:
        """Deletes all items; returns how many there were."""
        with reaching_redis():
            count = int(self._redis.xlen(self._keys.quarantine)) if self._exists() else 0
            self._redis.delete(self._keys.quarantine)
        return count

    def count(self) -> int:
        """Returns the number of items."""
        with reaching_redis():
            return int(self._redis.xlen(self._keys.quarantine)) if self._exists() else 0

    def _exists(self) -> bool:
        return bool(self._redis.type(self._keys.quarantine) == b"stream")


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "backslashreplace")


def _checked(item_id: str) -> str:
    if not is_entry_id(item_id):
        raise refused("id", item_id, msg("the id of an item, such as 1690000000000-0"))
    return item_id
