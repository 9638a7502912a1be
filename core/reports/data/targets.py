"""Measures a period by the installation's targets: how much of each error budget it used (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from taskyard.core.postgres.store.history import Point
from taskyard.core.reports.data.terms import Targets


@dataclass(frozen=True, slots=True)
class TargetLine:
    """A target, and the tasks that were measured by it.

    `missed` of `measured` tasks did not meet it, and `allowed` might have. `used` is the share of that budget which
    they used, above 1 if the target was missed; None if nothing was measured. `limit_seconds` is the queue latency
    that the target allows, None for the success rate.
    """

    name: str  # success or start
    target: float
    limit_seconds: float | None
    measured: int
    missed: int
    share: float | None
    allowed: float
    used: float | None
    used_before: float | None


def target_lines(targets: Targets, now: Point, before: Point) -> tuple[TargetLine, ...]:
    """Returns a line for each target, from the totals of both periods."""
    limit = targets.start_seconds
    return (
        _line("success", targets.success, None, _failed(now), _failed(before)),
        _line("start", targets.start, limit, _late(now, limit), _late(before, limit)),
    )


def _failed(point: Point) -> tuple[int, int]:
    return point.completed + point.failed, point.failed


def _late(point: Point, limit_seconds: float) -> tuple[int, int]:
    count = point.wait.count
    return count, count - point.wait.count_within(limit_seconds)


def _line(
    name: str, target: float, limit_seconds: float | None, now: tuple[int, int], before: tuple[int, int]
) -> TargetLine:
    measured, missed = now
    return TargetLine(
        name=name,
        target=target,
        limit_seconds=limit_seconds,
        measured=measured,
        missed=missed,
        share=1 - missed / measured if measured else None,
        allowed=measured * (1 - target),
        used=_used(target, *now),
        used_before=_used(target, *before),
    )


def _used(target: float, measured: int, missed: int) -> float | None:
    return missed / (measured * (1 - target)) if measured else None
