"""Stores users' sessions in Redis.

Nothing uses it yet: it is for signing in with an account.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.encode import encode_json
from taskyard.core.redis.connection import Client, reaching_redis
from taskyard.core.redis.keys import Keys

MAX_SESSION_BYTES = 64 << 10
SESSION_TTL_SECONDS = 12 * 3600.0
UPDATE_TRIES = 50

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

# KEYS session; ARGV the text that was read ('' for none), the new text, TTL in ms.
_SWAP = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


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
