"""Logs once what the tick waits for and who holds the lock, and reports it to alerts."""

from __future__ import annotations

import structlog

from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.locks import Blocker, LockWait
from taskyard.core.postgres.store import locks
from taskyard.worker.dispatch.pauses import Pauses
from taskyard.worker.dispatch.postponed import Postponed
from taskyard.worker.dispatch.transaction_parts import PARTS

CHECK_SECONDS = 1.0
SURE_SECONDS = 1.0  # a shorter wait is normal
_TABLES = {part.name: part.tables for part in PARTS}

log = structlog.get_logger(__name__)


class LockWaits:
    """The leader's lock waits. The committing thread calls `is_time` and `look`; any thread may read `waits`."""

    def __init__(self, postponed: Postponed, pauses: Pauses) -> None:
        self._postponed = postponed
        self._pauses = pauses
        self._looked = 0.0
        self._logged: set[tuple[str, int]] = set()
        self.waits: tuple[LockWait, ...] = ()  # replaced, never changed

    def is_time(self, now: float) -> bool:
        """Returns True if something waits, or did a moment ago, and no check was made lately."""
        return bool(self._pauses or len(self._postponed) or self.waits) and now - self._looked >= CHECK_SECONDS

    def problems(self, now: float, least_seconds: float) -> list[str]:
        """Returns what the tick could not do for so long because of a locked table, and who holds it. Thread-safe."""
        late = {part: now - since for part, since in self._pauses.since().items() if now - since > least_seconds}
        who = "; ".join(dict.fromkeys(wait.text for wait in self.waits)) or "another session has locked its table"
        return [f"dispatcher: waiting for a lock: {part} blocked for {age:.0f} s: {who}" for part, age in late.items()]

    def look(self, tx: Transaction, now: float) -> None:
        """Queries who holds the locks that were waited for, and logs new and ended waits."""
        self._looked = now
        found: list[tuple[str, float, Blocker]] = []
        parts = self._pauses.since()
        since = min(parts.values(), default=now)
        if now - since >= SURE_SECONDS:
            tables = sorted({table for name in parts for table in _TABLES[name]})
            blockers = [b for b in locks.of_tables(tx, tables) if b.seconds >= locks.SURE_SECONDS]
            found += [(_table_of(blocker), now - since, blocker) for blocker in blockers]
        rows = {task_id: at for task_id, at in self._postponed.waiting_since() if now - at >= SURE_SECONDS}
        held = locks.of_rows(tx, sorted(rows, key=rows.__getitem__)) if rows else {}
        found += [("tasks", now - rows[task_id], blocker) for task_id, blocker in held.items()]
        found.sort(key=lambda one: one[1])  # of several waits for one session the longest is reported
        waits = {
            (subject, blocker.pid): LockWait(subject, blocker.text, blocker.pid, seconds)
            for subject, seconds, blocker in found
        }
        for key, wait in waits.items():
            if key not in self._logged:
                log.warning("tick.blocked", reason=str(wait.text), waited_seconds=round(wait.seconds, 1), pid=wait.pid)
        for key in sorted(self._logged - waits.keys()):
            log.info("tick.unblocked", table=key[0], pid=key[1])
        self._logged = set(waits)
        self.waits = tuple(waits.values())


def _table_of(blocker: Blocker) -> str:
    values = getattr(blocker.what, "values", {})
    return str(values.get("name", "tasks"))
