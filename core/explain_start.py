"""Estimates when a waiting task starts: from predicted run times, else from the last minute's attempts of its type."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.explanation import Eligibility
from taskyard.core.humanize import percent, rounded_duration
from taskyard.core.i18n import msg
from taskyard.core.models import Lane, Task
from taskyard.core.states import TaskState
from taskyard.core.telemetry.live_snapshot import LiveSnapshot
from taskyard.core.telemetry.start_estimates import StartRange, estimate_start, start_range

RATE_WINDOW_SECONDS = 60.0  # the period that `LiveSnapshot.recent` covers


def seconds_to_start(
    task: Task,
    live: LiveSnapshot | None,
    verdicts: Sequence[Eligibility],
    before: int | None,
    lane_depth: int,
    due_seconds: float | None,
    *,
    is_held: bool,
) -> tuple[float | None, StartRange | None]:
    """Returns in how many seconds a task may start (None: unknown), and a range where run times are predicted.

    `due_seconds` is how long it waits for its time (None: it has none). Only an estimate: urgent tasks overtake.
    """
    if live is None or not any(verdict.can for verdict in verdicts) or (is_held and due_seconds is None):
        return None, None
    wait_seconds = due_seconds or 0.0
    ahead = (before if task.state is TaskState.PENDING else lane_depth) or 0
    if ahead == 0 and any(verdict.takes for verdict in verdicts):
        return wait_seconds, None
    estimate = estimate_start(Lane(task.queue, task.type, task.requires), ahead, live)
    if estimate is not None:
        found = start_range(estimate, live.learning.starts if live.learning is not None else None)
        low, high = found.low_seconds + wait_seconds, found.high_seconds + wait_seconds
        return wait_seconds + estimate, found._replace(low_seconds=low, high_seconds=high)
    recent = next((recent for recent in live.recent if recent.type == task.type), None)
    ended = recent.succeeded + recent.failed if recent is not None else 0
    return (wait_seconds + (ahead + 1) * RATE_WINDOW_SECONDS / ended if ended else None), None


def start_text(seconds: float | None, range_: StartRange | None) -> str:
    """Returns when it may start, as a part of a sentence; empty if that is unknown."""
    if seconds is None:
        return ""
    if range_ is None:
        return msg("it may start in about {duration}", duration=rounded_duration(seconds))
    low, high = rounded_duration(range_.low_seconds), rounded_duration(range_.high_seconds)
    if range_.coverage is None:
        return msg("it may start in {low} to {high}", low=low, high=high)
    return msg(
        "it may start in {low} to {high} (such estimates held for {share} of the last {count} tasks)",
        low=low,
        high=high,
        share=percent(range_.coverage),
        count=range_.results,
    )
