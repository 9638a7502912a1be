"""Finds out for the gate who uses a browser: each session at most once in SEEN_SECONDS."""

from __future__ import annotations

import time

import anyio

from taskyard.core.access.identity import PROXY, SESSION_IDLE_SECONDS, Actor, hashed
from taskyard.core.config import settings
from taskyard.core.postgres.store import sign_ins
from taskyard.core.submission import signing_in
from taskyard.dashboard.data.base import connections

SEEN_SECONDS = 2.0
MAX_SEEN = 10_000


class Sessions:
    """Who is in, as of some seconds ago. All methods raise Unavailable and ConfigurationError."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, Actor | None]] = {}
        self._arrived: dict[tuple[str, str], float] = {}

    async def of_cookie(self, session: str) -> Actor | None:
        """Returns whose session a cookie holds; None if it is none, or has ended."""
        if not session:
            return None
        key = hashed(session)
        return self._known(key) or self._kept(key, await anyio.to_thread.run_sync(_find, session))

    async def has_ended_by_itself(self, session: str) -> bool:
        """Returns True if this is a session that has ended by itself, not long ago."""
        return bool(session) and await anyio.to_thread.run_sync(_has_ended, session)

    async def of_name(self, name: str, address: str) -> Actor | None:
        """Returns the person whom a trusted proxy names; None if they may not come in."""
        if not name:
            return None
        known = self._known(name)
        if known is not None:
            return known
        now, visit = time.monotonic(), (name, address)
        is_arrival = self._arrived.get(visit, -SESSION_IDLE_SECONDS) + SESSION_IDLE_SECONDS <= now
        found = await anyio.to_thread.run_sync(_known_by_name, name, address, is_arrival)
        if len(self._arrived) >= MAX_SEEN:
            self._arrived.clear()
        self._arrived[visit] = now
        return self._kept(name, found)

    def forget(self, session: str) -> None:
        """Looks a session up anew at its next request."""
        self._seen.pop(hashed(session), None)

    def _known(self, key: str) -> Actor | None:
        until, actor = self._seen.get(key, (0.0, None))
        return actor if time.monotonic() < until else None

    def _kept(self, key: str, actor: Actor | None) -> Actor | None:
        if len(self._seen) >= MAX_SEEN:
            self._seen.clear()
        self._seen[key] = time.monotonic() + SEEN_SECONDS, actor
        return actor


sessions = Sessions()


def _find(session: str) -> Actor | None:
    with connections().database.transaction() as tx:
        return sign_ins.find_session(tx, session)


def _has_ended(session: str) -> bool:
    with connections().database.transaction() as tx:
        return sign_ins.find_ended_session(tx, session) is not None


def _known_by_name(name: str, address: str, is_arrival: bool) -> Actor | None:
    new_role = settings().auth_new_role
    return signing_in.known_by_name(connections().database, name, PROXY, address, new_role, is_arrival=is_arrival)
