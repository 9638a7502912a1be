"""Stores the dashboard's snapshots in Redis, each with a time to live."""

from __future__ import annotations

from typing import Any

import orjson

from taskyard.core.redis.connection import Client, reaching_redis
from taskyard.core.redis.keys import Keys


class RedisCache:
    """Snapshots shared by many viewers, as JSON (where NaN becomes None).

    Every method raises Unavailable if Redis is away, and TypeError for a value that JSON can't hold.
    """

    def __init__(self, client: Client, keys: Keys) -> None:
        self._redis = client
        self._keys = keys

    def get(self, name: str, default: Any = None) -> Any:
        """Returns the snapshot called `name`, or `default` if there is none."""
        text = self.get_text(name)
        return default if text is None else orjson.loads(text)

    def get_text(self, name: str) -> bytes | None:
        """Returns the JSON text of the snapshot called `name`, or None."""
        with reaching_redis():
            text: bytes | None = self._redis.get(self._keys.cache(name))
        return text

    def set(self, name: str, value: Any, ttl_seconds: float) -> None:
        """Stores `value` for `ttl_seconds`."""
        self.set_text(name, orjson.dumps(value), ttl_seconds)

    def set_text(self, name: str, text: bytes, ttl_seconds: float) -> None:
        """Stores a JSON text for `ttl_seconds`."""
        with reaching_redis():
            self._redis.set(self._keys.cache(name), text, px=max(1, round(ttl_seconds * 1000)))
