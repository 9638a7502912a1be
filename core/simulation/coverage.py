"""Measures how many run times fall into the intervals that were predicted for them on arrival (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from taskyard.core.learning.model import RunTimeModel
from taskyard.core.learning.prediction import Prediction
from taskyard.core.learning.results import side_of
from taskyard.core.simulation.simulate import Outcome
from taskyard.core.simulation.workload import Workload

PARTS = 6  # of the time, by arrival


@dataclass(slots=True)
class Covered:
    """How many of `count` tasks ran as long as their interval said."""

    count: int = 0
    inside: int = 0

    @property
    def share(self) -> float | None:
        """Returns the share of them; None of no task."""
        return self.inside / self.count if self.count else None

    def note(self, is_inside: bool) -> None:
        """Adds a task."""
        self.count += 1
        self.inside += is_inside

    def as_json(self) -> dict[str, Any]:
        return {"count": self.count, "share": None if self.share is None else round(self.share, 4)}


@dataclass(slots=True)
class Coverage:
    """The coverage of all tasks with a prediction, of each type, and of each sixth of them by arrival."""

    overall: Covered
    by_type: dict[str, Covered]
    parts: list[Covered]
    without: int  # a prediction: nothing had ended yet

    def as_json(self) -> dict[str, Any]:
        return {
            "overall": self.overall.as_json(),
            "by_type": {name: covered.as_json() for name, covered in sorted(self.by_type.items())},
            "parts": [covered.as_json() for covered in self.parts],
            "without_prediction": self.without,
        }


def coverage(workload: Workload, outcome: Outcome) -> Coverage:
    """Returns the coverage of the 80 % intervals, each predicted on arrival from what had ended by then."""
    model = RunTimeModel()
    ends = sorted(
        (start + seconds, task)
        for task, (start, seconds) in enumerate(zip(outcome.starts, workload.run_seconds, strict=True))
        if not math.isnan(start) and (not workload.learned or workload.learned[task])
    )
    found = Coverage(Covered(), {}, [Covered() for _ in range(PARTS)], 0)
    learned = 0
    for task, enters in enumerate(workload.enters):
        while learned < len(ends) and ends[learned][0] <= enters:
            ended = ends[learned][1]
            model.learn(workload.key_names[workload.keys[ended]], workload.run_seconds[ended])
            learned += 1
        _note(found, workload, task, model.predict(workload.key_names[workload.keys[task]]))
    return found


def _note(found: Coverage, workload: Workload, task: int, predicted: Prediction | None) -> None:
    if predicted is None:
        found.without += 1
        return
    is_inside = side_of(workload.run_seconds[task], predicted.low, predicted.typical, predicted.high) == 0
    type_ = workload.lane_names[workload.lanes[task]].type
    for covered in (
        found.overall,
        found.by_type.setdefault(type_, Covered()),
        found.parts[task * PARTS // len(workload)],
    ):
        covered.note(is_inside)
