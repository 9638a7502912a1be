"""Finds the types and queues whose failures, run time or queue latency changed most between two periods (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from taskyard.core.reports.data.report import Counts, Dimension, Measure, Mover, QueueLine, Times, TypeLine

MOST = 5  # of each measure
LEAST_FAILURES = 5  # more or fewer failed attempts
LEAST_COUNT = 20  # durations measured in each period
LEAST_CHANGE = 0.2  # of a duration, as a share of what it was


def movers(types: Iterable[TypeLine], queues: Iterable[QueueLine]) -> Mapping[Measure, tuple[Mover, ...]]:
    """Returns the top movers of each measure, those with the largest effect first.

    The effect of a duration is its change times the number of tasks that had it.
    """
    lines: list[tuple[Dimension, str, Counts, Counts]] = [
        *(("type", line.type, line.counts, line.before) for line in types),
        *(("queue", line.queue, line.counts, line.before) for line in queues),
    ]
    return {
        "failures": _top(lines, _failures),
        "run": _top(lines, lambda now, before: _duration(now.run, before.run)),
        "wait": _top(lines, lambda now, before: _duration(now.wait, before.wait)),
    }


Found = tuple[float, float, float]  # effect, now, before


def _top(
    lines: Iterable[tuple[Dimension, str, Counts, Counts]], measure: Callable[[Counts, Counts], Found | None]
) -> tuple[Mover, ...]:
    found = [
        (measured[0], Mover(dimension, name, measured[1], measured[2]))
        for dimension, name, now, before in lines
        if (measured := measure(now, before)) is not None
    ]
    found.sort(key=lambda one: (-one[0], one[1].dimension, one[1].name))
    return tuple(mover for _, mover in found[:MOST])


def _failures(now: Counts, before: Counts) -> Found | None:
    effect = abs(now.failed_attempts - before.failed_attempts)
    return (effect, now.failed_attempts, before.failed_attempts) if effect >= LEAST_FAILURES else None


def _duration(now: Times, before: Times) -> Found | None:
    if now.p95 is None or not before.p95 or min(now.count, before.count) < LEAST_COUNT:
        return None
    difference = abs(now.p95 - before.p95)
    return (difference * now.count, now.p95, before.p95) if difference >= LEAST_CHANGE * before.p95 else None
