"""Compares how long tasks waited under several policies, and on record (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from taskyard.core.simulation.simulate import Outcome
from taskyard.core.simulation.workload import Workload

MAX_DEVIATION = 0.1  # of a replay from the record
MAX_DEVIATION_SECONDS = 1.0
MIN_WAIT_SECONDS = 1.0  # of the longest wait; with less no policy can gain anything


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds of `count` tasks. Percentiles are of nearest rank; all are 0 if there is no task."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    longest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Figures:
        """Returns the figures of times in seconds, in any order."""
        count = len(seconds)
        if not count:
            return cls(0, 0.0, 0.0, 0.0, 0.0, 0.0)
        ordered = sorted(seconds)
        p50, p95, p99 = (ordered[max(1, math.ceil(share * count)) - 1] for share in (0.5, 0.95, 0.99))
        return cls(count, math.fsum(ordered) / count, p50, p95, p99, ordered[-1])

    def changes(self, base: Figures) -> dict[str, float | None]:
        """Returns by how much each figure is above that of `base`, as a share of it; None where that is 0."""
        return {
            name: (value / before - 1 if before else None)
            for name, value in self._values().items()
            for before in (base._values()[name],)
        }

    def distrusted(self, recorded: Figures) -> list[str]:
        """Returns the figures that are off the recorded ones by more than MAX_DEVIATION and MAX_DEVIATION_SECONDS."""
        known = recorded._values()
        return [
            name
            for name, value in self._values().items()
            if abs(value - known[name]) > max(MAX_DEVIATION_SECONDS, MAX_DEVIATION * known[name])
        ]

    def as_json(self) -> dict[str, Any]:
        return {name: round(value, 6) if name != "count" else value for name, value in asdict(self).items()}

    def _values(self) -> dict[str, float]:
        return {"mean": self.mean, "p50": self.p50, "p95": self.p95, "p99": self.p99, "longest": self.longest}


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of some tasks, by policy: of all, or of a queue and a priority. `totals` have the run time, too."""

    queue: str | None
    priority: int | None
    waits: dict[str, Figures]
    totals: dict[str, Figures]

    def as_json(self) -> dict[str, Any]:
        return {
            "queue": self.queue,
            "priority": self.priority,
            "wait": {name: figures.as_json() for name, figures in self.waits.items()},
            "total": {name: figures.as_json() for name, figures in self.totals.items()},
        }


def compare(workload: Workload, outcomes: dict[str, Outcome], queue: str | None = None) -> list[Row]:
    """Returns the figures of all tasks, or those of a queue, then by queue and priority if there are several of these.

    Tasks that did not start under each of the policies, or are not counted, are in no figure.
    """
    places = [
        place
        for place in range(len(workload))
        if (not workload.counted or workload.counted[place])
        and (queue is None or workload.lane_names[workload.lanes[place]].queue == queue)
        and all(not math.isnan(outcome.starts[place]) for outcome in outcomes.values())
    ]
    groups: dict[tuple[str, int], list[int]] = {}
    for place in places:
        name = workload.lane_names[workload.lanes[place]].queue
        groups.setdefault((name, workload.priorities[place]), []).append(place)

    def row(queue: str | None, priority: int | None, some: Sequence[int]) -> Row:
        waits = {name: [max(0.0, one.starts[i] - workload.ready[i]) for i in some] for name, one in outcomes.items()}
        totals = {
            name: Figures.of([wait + outcomes[name].run_seconds[i] for wait, i in zip(seconds, some, strict=True)])
            for name, seconds in waits.items()
        }
        return Row(queue, priority, {name: Figures.of(seconds) for name, seconds in waits.items()}, totals)

    rows = [row(None, None, places)]
    if len(groups) > 1:
        ordered = sorted(groups.items(), key=lambda group: (group[0][0], -group[0][1]))
        rows += [row(queue, priority, some) for (queue, priority), some in ordered]
    return rows
