"""Keeps the published predictions: by key what tasks like it are predicted to take, and the state of each queue.

Only the leader writes them, and rewrites all after a wipe; submitters read some at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from taskyard.core.redis.connection import Client, reaching_redis
from taskyard.core.redis.keys import Keys

CHUNK = 1_000


class Published(NamedTuple):
    """What a submitter reads: the state as JSON, and for each key asked for its prediction's text (None: unknown)."""

    state: bytes | None
    predictions: list[bytes | None]


class Predictions:
    """The published predictions of one installation. Every method raises Unavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._redis = client
        self._keys = keys

    def read(self, keys: Sequence[str]) -> Published:
        """Returns the state and the predictions of these keys."""
        with reaching_redis():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.get(self._keys.learning)
            pipeline.hmget(self._keys.predictions, list(keys))
            state, predictions = pipeline.execute()
        return Published(state, predictions)

    def publish(self, state: bytes, changed: Mapping[str, str], removed: Collection[str], ttl_seconds: float) -> int:
        """Writes the state, gone after its TTL, and changes of predictions; returns how many keys there are."""
        changes = list(changed.items())
        with reaching_redis():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.set(self._keys.learning, state, px=round(ttl_seconds * 1000))
            if removed:
                pipeline.hdel(self._keys.predictions, *removed)
            for start in range(0, len(changes), CHUNK):
                pipeline.hset(self._keys.predictions, mapping=dict(changes[start : start + CHUNK]))
            pipeline.hlen(self._keys.predictions)
            return int(pipeline.execute()[-1])

    def clear(self) -> None:
        """Removes all predictions, whatever their key holds."""
        with reaching_redis():
            self._redis.delete(self._keys.predictions, self._keys.learning)
