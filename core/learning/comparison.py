"""Judges by a replay whether head starts do harm (pure)."""

from __future__ import annotations

from dataclasses import dataclass

MIN_TASKS = 200  # fewer say nothing
MAX_P99_RISE = 0.1


@dataclass(frozen=True, slots=True)
class Waits:
    """Mean and 99th percentile of waits in seconds."""

    mean: float
    p99: float


def is_harmful(learned: Waits, arrival: Waits, tasks: int, *, is_trusted: bool) -> bool:
    """Returns True if waits were worse with the policy `learned` than in the order of arrival.

    That is so if p99 rose by more than MAX_P99_RISE, and by more than the mean fell, both as shares. A replay of few
    tasks, or one that is not like the record, proves nothing.
    """
    if tasks < MIN_TASKS or not is_trusted or arrival.mean <= 0 or arrival.p99 <= 0:
        return False
    rise, gain = learned.p99 / arrival.p99 - 1, 1 - learned.mean / arrival.mean
    return rise > MAX_P99_RISE and rise > gain
