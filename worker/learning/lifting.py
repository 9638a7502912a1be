"""Lifts tasks that have waited unusually long in queues that give head starts, so that no later one overtakes them.

The head start is stored with the task, before its place in Redis changes: whoever dies in between leaves a place that
the sweep moves to where the row says.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import structlog

from taskyard.core.models import Lane
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import lifting
from taskyard.core.postgres.store.recovery import NIL
from taskyard.core.postgres.store.rollups import DAY, HOUR
from taskyard.core.redis.ports import QueuePort
from taskyard.core.scheduling import lifting as deciding
from taskyard.core.scheduling.holds import Holds
from taskyard.core.scheduling.lifting import Lift
from taskyard.core.submission.queue_notifier import QueueNotifier
from taskyard.core.telemetry.live_snapshot import LiveSnapshot
from taskyard.core.telemetry.start_estimates import takers_of
from taskyard.worker.learning.queues import ACTOR, waited_seconds

EVERY_SECONDS = 10.0
LIMITS_EVERY_SECONDS = float(HOUR)
AT_ONCE = 1_000  # tasks lifted
SCANNED_AT_ONCE = 20_000  # unfinished tasks looked at for that

log = structlog.get_logger(__name__)


class Lifting:
    """Looks at queues by the live snapshot, and at rows only if something there has waited too long."""

    def __init__(self, database: Database, broker: QueuePort) -> None:
        self._database = database
        self._notifier = QueueNotifier(broker)
        self._next_at = 0.0  # monotonic seconds
        self._limits: dict[str, float | None] = {}  # seconds, by queue; None: too few waits are known
        self._limits_until = 0.0  # monotonic seconds
        self._head_starts: dict[str, float] = {}  # seconds, of the last look
        self._after = NIL

    def look(
        self, queues: Collection[str], live: LiveSnapshot | None, holds: Holds, now: float, monotonic: float
    ) -> None:
        """Lifts what is due in these queues, which give head starts, if it is time to look.

        `now` is the database's time (epoch seconds). Raises Unavailable.
        """
        if live is None or monotonic < self._next_at:
            return
        self._next_at = monotonic + EVERY_SECONDS
        waits = _long_waits(queues, live, holds, now)
        if not waits:
            return
        self._know_limits(queues, now, monotonic)
        found = deciding.lifts(waits, self._limits, EVERY_SECONDS)
        if found:
            self._lift(found, now)

    def _know_limits(self, queues: Collection[str], now: float, monotonic: float) -> None:
        if monotonic < self._limits_until and self._limits.keys() >= set(queues):
            return
        with self._database.transaction() as tx:
            waits = lifting.waits(tx, sorted(queues), now - DAY, now)
        known = {
            queue: deciding.limit_seconds(of.count, of.percentile(deciding.PERCENT)) for queue, of in waits.items()
        }
        self._limits = {queue: known.get(queue) for queue in queues}
        self._limits_until = monotonic + LIMITS_EVERY_SECONDS

    def _lift(self, found: tuple[Lift, ...], now: float) -> None:
        head_starts = {one.lane.queue: one.head_start for one in found}
        if any(seconds > self._head_starts.get(queue, 0.0) for queue, seconds in head_starts.items()):
            self._after = NIL  # the oldest ones first, or younger ones would overtake them
        self._head_starts = head_starts
        before = datetime.fromtimestamp(now - min(one.limit_seconds for one in found), UTC)
        with self._database.transaction() as tx:
            ids, after = lifting.overdue(tx, found, self._after, before, SCANNED_AT_ONCE, AT_ONCE)
            lifted = lifting.lift(tx, found, ids, ACTOR) if ids else []
        self._after = after or NIL
        self._notifier.forget([task.was for task in lifted])
        self._notifier.push([task.now for task in lifted])
        if lifted:
            log.info("learning.lifted", count=len(lifted), queues=sorted({task.now.lane.queue for task in lifted}))


def _long_waits(queues: Collection[str], live: LiveSnapshot, holds: Holds, now: float) -> dict[Lane, float]:
    """Returns the longest wait of each lane where it may be too long; of those that some agent takes now."""
    found = {}
    for depth in live.lanes:
        if depth.queue in queues and (seconds := waited_seconds(depth, holds, now)) > deciding.MIN_LIMIT_SECONDS:
            lane = Lane(depth.queue, depth.type, tuple(depth.requires))
            if takers_of(lane, live.agents):
                found[lane] = seconds
    return found
