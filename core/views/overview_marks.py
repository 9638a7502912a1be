"""Finds in the samples of leadership when the leader changed, and when another release was deployed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import history

SOURCE, METRIC = "leadership", "term"  # sampled by the leader's worker, under the name of its release


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened in the step that begins at `at` (epoch seconds): a new leader, or another release."""

    at: float
    term: int
    release: str
    is_deploy: bool


def overview_marks(tx: Transaction, since: float, until: float, step_seconds: int) -> list[Mark]:
    """Returns what happened in a range (epoch seconds), to the step; raises Unavailable."""
    found = history.samples(tx, SOURCE, since, until, step_seconds, METRIC)
    return marks_of([(at, release, int(least), int(most)) for at, release, _m, _mean, least, most in found])


def marks_of(samples: Iterable[tuple[float, str, int, int]]) -> list[Mark]:
    """Returns the changes in samples: (start of the step, release, least and greatest term), by time (pure).

    What led when the samples begin is no change.
    """
    marks: list[Mark] = []
    release, term = "", 0
    for at, name, least, most in sorted(samples, key=lambda sample: (sample[0], sample[3])):
        if term == 0:
            release, term = name, least
        if name != release:
            marks.append(Mark(at, most, name, is_deploy=True))
        elif most > term:
            marks.append(Mark(at, most, name, is_deploy=False))
        release, term = name, max(most, term)
    return marks
