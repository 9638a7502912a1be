"""Replays what an installation recorded, for the command line and pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import replays as store
from taskyard.core.simulation.record import workload_of
from taskyard.core.simulation.replay import Replay, replay
from taskyard.core.simulation.simulate import POLICIES, PolicyOf, no_progress

READING_SHARE = 0.5  # of the whole time, about


@dataclass(frozen=True, slots=True)
class ReplayedSpan:
    """A replay of a span (epoch seconds); None if no attempt ended in it. `is_cut`: of its last attempts alone.

    `is_of_others` says that attempts ended in it, though none of the queue that was asked for.
    """

    since: float
    until: float
    is_cut: bool
    replay: Replay | None
    is_of_others: bool = False

    def as_json(self) -> dict[str, Any]:
        found = {"since": self.since, "until": self.until, "is_cut": self.is_cut}
        if self.replay is not None:
            return found | self.replay.as_json()
        return found | {"tasks": 0, "rows": [], "is_of_others": self.is_of_others}


def replayed(
    database: Database,
    acting_of: PolicyOf,
    since: float,
    until: float,
    policy: str,
    queue: str | None = None,
    progress: Callable[[float], None] = no_progress,
) -> ReplayedSpan:
    """Returns what the acting policies, by queue, and another one make of what was recorded in a span (epoch seconds).

    With a queue only that one gets the other policy. `progress` is told the share that is done. Raises
    SubmissionError, or Unavailable.
    """
    if policy not in POLICIES:
        raise refused("policy", policy, msg("one of {names}", names=", ".join(POLICIES)))
    if not since < until:
        raise refused("from", since, msg("a time before the end"))
    with database.snapshot() as tx:
        record, is_cut = store.read_record(tx, since, until, lambda share: progress(READING_SHARE * share))
    workload = workload_of(record)
    queues = {
        workload.lane_names[lane].queue
        for lane, is_counted in zip(workload.lanes, workload.counted, strict=True)
        if is_counted
    }
    if not queues or (queue is not None and queue not in queues):
        return ReplayedSpan(record.since, until, is_cut, None, is_of_others=bool(queues))
    found = replay(
        workload, acting_of, policy, queue, lambda share: progress(READING_SHARE + (1 - READING_SHARE) * share)
    )
    return ReplayedSpan(record.since, until, is_cut, found)
