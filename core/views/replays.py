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
    """A replay of a span (epoch seconds); None if no attempt ended in it. `is_cut`: of its last attempts alone."""

    since: float
    until: float
    is_cut: bool
    replay: Replay | None

    def as_json(self) -> dict[str, Any]:
        found = {"since": self.since, "until": self.until, "is_cut": self.is_cut}
        return found | (self.replay.as_json() if self.replay is not None else {"tasks": 0, "rows": []})


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
    is_known = queue is None or any(lane.queue == queue for lane in workload.lane_names)
    if not any(workload.counted) or not is_known:
        return ReplayedSpan(record.since, until, is_cut, None)
    found = replay(
        workload, acting_of, policy, queue, lambda share: progress(READING_SHARE + (1 - READING_SHARE) * share)
    )
    return ReplayedSpan(record.since, until, is_cut, found)
