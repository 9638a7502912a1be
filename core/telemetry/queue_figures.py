"""Computes each queue's figures: backlog, arrivals, departures, and time to drain (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode, Holds
from taskyard.core.telemetry.live_snapshot import LaneDepth, OpenCount

WINDOWS_MINUTES = (5, 15, 60)
DRAIN_WINDOW_MINUTES = 5
PAUSED, NOTHING_RUNS, GROWS, STEADY = "paused", "nothing runs", "grows", "not shrinking"


class Counted(Protocol):
    """The unfinished tasks at a time (epoch seconds), from the live snapshot or counted without a leader."""

    @property
    def at(self) -> float: ...
    @property
    def open(self) -> Sequence[OpenCount]: ...
    @property
    def lanes(self) -> Sequence[LaneDepth]: ...


@dataclass(frozen=True, slots=True)
class Rates:
    """A queue's arrivals and departures per minute; `ended` is completed, failed or cancelled."""

    arrived: float = 0.0
    completed: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class DrainEstimate:
    """Seconds until the backlog is empty at the current rates, or None and the reason why it can't be estimated.

    `is_predicted`: nothing has ended lately, and it is estimated from predicted run times.
    """

    seconds: float | None
    reason: str | None = None
    is_predicted: bool = False


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """One queue's figures. `depth` counts tasks ready for an agent; `rates` are by the window's minutes.

    `oldest_seconds` is how long the oldest ready task has waited. `open` counts unfinished tasks by state. Live
    figures are None or empty if they were not counted.
    """

    queue: str
    policy: str
    hold: Hold | None
    depth: int | None
    by_priority: dict[str, int]
    oldest_seconds: float | None
    open: dict[str, int]
    rates: dict[int, Rates]
    drain: DrainEstimate | None


def drain_estimate(depth: int, arrived: float, ended: float, hold: HoldMode | None = None) -> DrainEstimate:
    """Estimates when a queue of this depth will be empty; rates are tasks per minute.

    The depth divided by its rate of decrease. A draining queue gets nothing new, whatever arrived before.
    """
    if depth == 0:
        return DrainEstimate(0.0)
    if hold is HoldMode.PAUSED:
        return DrainEstimate(None, PAUSED)
    if ended <= 0:
        return DrainEstimate(None, NOTHING_RUNS)
    coming = 0.0 if hold is HoldMode.DRAINING else arrived
    if coming >= ended:
        return DrainEstimate(None, GROWS if coming > ended else STEADY)
    return DrainEstimate(depth / (ended - coming) * 60)


@dataclass(slots=True)
class _Waiting:
    depth: int = 0
    by_priority: dict[str, int] = field(default_factory=dict)
    oldest_ready_at: float | None = None
    open: dict[str, int] = field(default_factory=dict)


def figures(
    live: Counted | None,
    rates: Mapping[str, Mapping[int, Rates]],
    holds: Holds,
    policy_of: Callable[[str], str],
    named: Iterable[str] = (),
) -> list[QueueFigures]:
    """Returns by name every queue in the live snapshot, the rates, the holds or the settings (`named`)."""
    waiting = _waiting(live) if live is not None else {}
    held = {name: hold for (kind, name), hold in holds.by_name.items() if kind is HoldKind.QUEUE}
    found = []
    for queue in sorted({*waiting, *rates, *held, *named}):
        own, of_queue, hold = waiting.get(queue, _Waiting()), _all_windows(rates.get(queue, {})), held.get(queue)
        recent = of_queue[DRAIN_WINDOW_MINUTES]
        estimate = drain_estimate(own.depth, recent.arrived, recent.ended, hold.mode if hold else None)
        is_waiting = live is not None and own.oldest_ready_at is not None
        found.append(
            QueueFigures(
                queue,
                policy_of(queue),
                hold,
                own.depth if live is not None else None,
                own.by_priority,
                max(0.0, live.at - own.oldest_ready_at) if is_waiting else None,  # type: ignore[union-attr,operator]
                own.open,
                of_queue,
                estimate if live is not None else None,
            )
        )
    return found


def _all_windows(rates: Mapping[int, Rates]) -> dict[int, Rates]:
    return {minutes: rates.get(minutes, Rates()) for minutes in WINDOWS_MINUTES}


def _waiting(live: Counted) -> dict[str, _Waiting]:
    """Returns each queue's backlog in the live snapshot: its lanes added up."""
    found: dict[str, _Waiting] = {}
    for count in live.open:
        own = found.setdefault(count.queue, _Waiting())
        own.open[count.state] = own.open.get(count.state, 0) + count.count
    for lane in live.lanes:
        own = found.setdefault(lane.queue, _Waiting())
        own.depth += lane.ready
        for priority, ready in lane.by_priority.items():
            own.by_priority[priority] = own.by_priority.get(priority, 0) + ready
        known = [at for at in (own.oldest_ready_at, lane.oldest_ready_at) if at is not None]
        own.oldest_ready_at = min(known) if known else None
    return found
