"""Stores the dashboard's data in Redis: snapshots with a time to live, and users' sessions."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import orjson

from taskyard.core.clock import Clock
from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.encode import encode_json
from taskyard.core.redis.connection import Client, reaching_redis
from taskyard.core.redis.keys import Keys

MAX_SESSION_BYTES = 64 << 10
SESSION_TTL_SECONDS = 12 * 3600.0
LOCK_TTL_SECONDS = 30.0
POLL_SECONDS = 0.02
UPDATE_TRIES = 50

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

# KEYS lock; ARGV token. Only the holder's token releases it: the lock may have expired and be another's.
_UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

# KEYS session; ARGV the text that was read ('' for none), the new text, TTL in ms.
_SWAP = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


class RedisCache:
    """Snapshots shared by many viewers, as JSON (where NaN becomes None).

    Every method raises Unavailable if Redis is away, and TypeError for a value that JSON can't hold.
    """

    def __init__(self, client: Client, keys: Keys, clock: Clock | None = None) -> None:
        self._redis = client
        self._keys = keys
        self._clock = clock or Clock()
        self._unlock = client.register_script(_UNLOCK)

    def get(self, name: str, default: Any = None) -> Any:
        """Returns the snapshot called `name`, or `default` if there is none."""
        with reaching_redis():
            text = self._redis.get(self._keys.cache(name))
        return default if text is None else orjson.loads(text)

    def set(self, name: str, value: Any, ttl_seconds: float) -> None:
        """Stores `value` for `ttl_seconds`."""
        self._store(name, orjson.dumps(value), ttl_seconds)

    def get_or_compute(
        self,
        name: str,
        compute: Callable[[], Any],
        ttl_seconds: float,
        lock_ttl_seconds: float = LOCK_TTL_SECONDS,
    ) -> Any:
        """Returns the snapshot called `name`; if there is none, one caller computes it while the others wait.

        Every caller gets the value as read back from JSON. If `compute` raises, nothing is stored: its caller gets
        the error, and one of the waiting callers tries next. A caller that takes longer than `lock_ttl_seconds`, or
        died, is overtaken by the next. Raises Unavailable after waiting for twice that long.
        """
        token = secrets.token_hex(16)
        key, lock = self._keys.cache(name), self._keys.cache_lock(name)
        deadline = self._clock.monotonic() + 2 * lock_ttl_seconds
        while True:
            with reaching_redis():
                text = self._redis.get(key)
                if text is not None:
                    return orjson.loads(text)
                if self._redis.set(lock, token, nx=True, px=_milliseconds(lock_ttl_seconds)):
                    break
            if self._clock.monotonic() > deadline:
                raise Unavailable(msg("snapshot {name} is not ready: computing it takes too long", name=name))
            time.sleep(POLL_SECONDS)
        try:
            return self._computed(name, compute, ttl_seconds)
        finally:
            with reaching_redis():
                self._unlock(keys=[lock], args=[token])

    def _computed(self, name: str, compute: Callable[[], Any], ttl_seconds: float) -> Any:
        # Another caller may have stored it between this one's check and its lock.
        with reaching_redis():
            text = self._redis.get(self._keys.cache(name))
        if text is None:
            text = orjson.dumps(compute())
            self._store(name, text, ttl_seconds)
        return orjson.loads(text)

    def _store(self, name: str, text: bytes, ttl_seconds: float) -> None:
        with reaching_redis():
            self._redis.set(self._keys.cache(name), text, px=_milliseconds(ttl_seconds))


class RedisSession:
    """One user's small dict, kept until `ttl_seconds` after its last use.

    Several tabs may change it at once without losing a change. Every method raises Unavailable if Redis is away.
    """

    def __init__(
        self,
        client: Client,
        keys: Keys,
        session_id: str,
        ttl_seconds: float = SESSION_TTL_SECONDS,
        limit_bytes: int = MAX_SESSION_BYTES,
    ) -> None:
        if not _SESSION_ID.fullmatch(session_id):
            raise refused("session_id", session_id, msg("1 to 128 letters, digits, _ or -"))
        self._redis = client
        self._key = keys.session(session_id)
        self._ttl_milliseconds = _milliseconds(ttl_seconds)
        self._limit_bytes = limit_bytes
        self._swap = client.register_script(_SWAP)

    def load(self) -> dict[str, Any]:
        """Returns the session, {} if it is new or expired, and extends its life."""
        text = self._read()
        return orjson.loads(text) if text else {}

    def update(self, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Applies `change` to the session in place and stores it; returns what was stored.

        `change` is called again on a newer session after a concurrent update. Raises SubmissionError if JSON can't
        hold the result within the size limit; nothing is changed then.
        """
        for _ in range(UPDATE_TRIES):
            before = self._read()
            session = orjson.loads(before) if before else {}
            change(session)
            after = encode_json("session", session, self._limit_bytes)
            with reaching_redis():
                if self._swap(keys=[self._key], args=[before, after, self._ttl_milliseconds]):
                    stored: dict[str, Any] = orjson.loads(after)
                    return stored
        raise Unavailable(msg("the session was changed by others {tries} times in a row", tries=UPDATE_TRIES))

    def clear(self) -> None:
        """Deletes the session."""
        with reaching_redis():
            self._redis.delete(self._key)

    def _read(self) -> bytes:
        with reaching_redis():
            text, _ = (
                self._redis.pipeline(transaction=True)
                .get(self._key)
                .pexpire(self._key, self._ttl_milliseconds)
                .execute()
            )
        return text or b""


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
