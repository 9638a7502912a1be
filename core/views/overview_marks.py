"""Finds what may explain a change in the charts: another leader or release, or other versions of task types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import audit, history

SOURCE, METRIC = "leadership", "term"  # sampled by the leader's worker, under the name of its release


class MarkKind(StrEnum):
    """What happened."""

    LEADER = "leader"
    RELEASE = "release"
    TYPES = "types"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened in the step that begins at `at` (epoch seconds).

    A new leader or release has its term and release, and a deployment of agents' code the `types` that it changed.
    """

    at: float
    kind: MarkKind
    term: int = 0
    release: str = ""
    types: tuple[str, ...] = ()


def overview_marks(tx: Transaction, since: float, until: float, step_seconds: int) -> list[Mark]:
    """Returns what happened in a range (epoch seconds), to the step; raises Unavailable."""
    found = history.samples(tx, SOURCE, since, until, step_seconds, METRIC)
    leaders = marks_of([(at, release, int(least), int(most)) for at, release, _m, _mean, least, most in found])
    deployed = audit.deployed_types(tx, since, until, step_seconds)
    types = [Mark(at, MarkKind.TYPES, types=names) for at, names in deployed]
    return sorted([*leaders, *types], key=lambda mark: mark.at)


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
            marks.append(Mark(at, MarkKind.RELEASE, most, name))
        elif most > term:
            marks.append(Mark(at, MarkKind.LEADER, most, name))
        release, term = name, max(most, term)
    return marks
