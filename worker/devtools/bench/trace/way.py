"""Computes from marked boundaries how long each part of a task's way took, and what its slowest tasks met (pure)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from taskyard.worker.devtools.bench.results import percentile

# The boundaries in the order in which a task passes them, each with the part of the way that ends there. `pushed` is
# none of them: a leader may have read the task before its submitter knows that Redis has it.
CALLED = "called"
TO_START = {
    "validated": "submit: validate",
    "inserting": "submit: wait for a connection",
    "inserted": "submit: INSERT, flush of its WAL",
    "woken": "submit: push; leader: wake",
    "looked": "leader: look into the lanes",
    "claiming": "leader: place",
    "written": "leader: claim",
    "committed": "leader: COMMIT, flush of its WAL",
    "received": "leader: publish; agent: read",
    "announcing": "agent: hand to a slot",
    "announced": "agent: announce",
    "started": "agent: begin the handler",
}
TO_RESULT = {
    "ended": "agent: run",
    "read": "agent: report; leader: read",
    "settled": "leader: settle, commit",
    "returned": "reader: learn of the end",
}
SLOWEST_SHARE = 0.01

Marks = Mapping[str, Mapping[str, float]]  # seconds by task id and boundary
Span = tuple[str, float, float]


@dataclass(frozen=True, slots=True)
class PartOfWay:
    """Microseconds of one part of the way, and of how many of the slowest tasks it is what made them slow."""

    name: str
    p50: float
    p99: float
    slowest: int


@dataclass(frozen=True, slots=True)
class Met:
    """What the slowest tasks met while they were late: how many of them did, and what share of all tasks does."""

    what: str
    slowest: int
    share_of_all: float


@dataclass(frozen=True, slots=True)
class Way:
    tasks: int
    p50: float  # microseconds of the whole way
    p99: float
    parts: Sequence[PartOfWay]
    slow_tasks: int
    met: Sequence[Met]


def times_of(marks: Iterable[tuple[str, str, float]]) -> dict[str, dict[str, float]]:
    """Returns the first time of each boundary by task: a second attempt or a second report counts no more."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for boundary, task_id, at in marks:
        found[task_id].setdefault(boundary, at)
    return found


def way_of(marks: Marks, boundaries: Mapping[str, str], spans: Sequence[Span]) -> Way:
    """Returns the way of those tasks that have all boundaries.

    A boundary that was passed before the one ahead of it, such as a wake-up by another task, counts as passed with it.
    """
    ways = [
        _seconds(times, boundaries) for times in marks.values() if CALLED in times and boundaries.keys() <= times.keys()
    ]
    if not ways:
        raise AssertionError("no task was traced")
    totals = [sum(end - begin for begin, end in way) for way in ways]
    columns = list(zip(*([end - begin for begin, end in way] for way in ways), strict=True))
    medians = [percentile(column, 0.5) for column in columns]
    count = max(1, round(SLOWEST_SHARE * len(ways)))
    slowest = sorted(range(len(ways)), key=totals.__getitem__)[-count:]
    late_parts = {
        at: max(range(len(medians)), key=lambda part: _length(ways[at][part]) - medians[part]) for at in slowest
    }
    blamed = Counter(late_parts.values())
    parts = [
        PartOfWay(name, 1e6 * median, 1e6 * percentile(column, 0.99), blamed[number])
        for number, (name, median, column) in enumerate(zip(boundaries.values(), medians, columns, strict=True))
    ]
    late = [ways[at][part] for at, part in late_parts.items()]
    met = _met(late, [(way[0][0], way[-1][1]) for way in ways], spans)
    return Way(len(ways), 1e6 * percentile(totals, 0.5), 1e6 * percentile(totals, 0.99), parts, count, met)


def _seconds(times: Mapping[str, float], boundaries: Iterable[str]) -> list[tuple[float, float]]:
    """Returns when each part began and ended."""
    parts, before = [], times[CALLED]
    for boundary in boundaries:
        at = max(before, times[boundary])
        parts.append((before, at))
        before = at
    return parts


def _length(part: tuple[float, float]) -> float:
    return part[1] - part[0]


def _met(late: Sequence[tuple[float, float]], ways: Sequence[tuple[float, float]], spans: Sequence[Span]) -> list[Met]:
    by_name: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for what, began, ended in spans:
        by_name[what].append((began, ended))
    found = []
    for what, times in by_name.items():
        count = sum(_overlap(part, times) for part in late)
        if count:
            found.append(Met(what, count, sum(_overlap(way, times) for way in ways) / len(ways)))
    return sorted(found, key=lambda one: -one.slowest)


def _overlap(part: tuple[float, float], times: Iterable[tuple[float, float]]) -> bool:
    return any(began < part[1] and ended > part[0] for began, ended in times)
