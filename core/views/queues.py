"""Reads the queues: the backlog, its age, its reasons, and the time to drain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from taskyard.core.config import Settings
from taskyard.core.i18n import listed
from taskyard.core.models import AgentRecord, Lane
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import history, live_counts, tasks
from taskyard.core.postgres.store import holds as holds_store
from taskyard.core.postgres.store.history import Filter, Point
from taskyard.core.postgres.store.queue_figures import queue_figures
from taskyard.core.postgres.store.rollups import MINUTE
from taskyard.core.scheduling.agent_slots import as_agents_see, slots_of
from taskyard.core.scheduling.holds import Hold, HoldKind, Holds
from taskyard.core.scheduling.placement import unplaceable_reason
from taskyard.core.states import CLAIMED, Priority, TaskState
from taskyard.core.telemetry.live_snapshot import LaneDepth, LiveSnapshot, OpenCount
from taskyard.core.telemetry.queue_figures import (
    DRAIN_WINDOW_MINUTES,
    NOTHING_RUNS,
    PAUSED,
    WINDOWS_MINUTES,
    DrainEstimate,
    QueueFigures,
    Rates,
)
from taskyard.core.telemetry.start_estimates import drain_seconds
from taskyard.core.views.seeing import Sees, everything

DEFAULT_QUEUE = "default"
# Why the time to drain is unknown, in addition to the reasons of core.telemetry.queue_figures.
NO_LEADER, NOBODY_TAKES = "no leader", "nobody takes it"
NOT_SHOWN = "not shown"  # to viewers who do not see all types of the queue


@dataclass(frozen=True, slots=True)
class LaneNow:
    """The ready tasks of one lane. `reason` says why no agent takes them, "" if one does; `is_stuck` if none ever
    could.
    """

    lane: Lane
    ready: int
    oldest_seconds: float | None
    by_priority: Mapping[str, int]
    reason: str = ""
    is_stuck: bool = False


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue: its figures, and its lanes with ready tasks."""

    figures: QueueFigures
    lanes: Sequence[LaneNow]
    drain: DrainEstimate

    @property
    def name(self) -> str:
        return self.figures.queue

    @property
    def hold(self) -> Hold | None:
        return self.figures.hold

    @property
    def state(self) -> str:
        """Returns open, paused or draining."""
        return "open" if self.hold is None else self.hold.mode.value

    @property
    def ready(self) -> int:
        return self.figures.depth or 0

    @property
    def running(self) -> int:
        """Returns the number of tasks that an agent has."""
        return sum(self.figures.open.get(state, 0) for state in CLAIMED)

    @property
    def scheduled(self) -> int:
        return self.figures.open.get(TaskState.SCHEDULED, 0)

    @property
    def suspended(self) -> int:
        return self.figures.open.get(TaskState.SUSPENDED, 0)

    @property
    def blocked(self) -> int:
        return self.figures.open.get(TaskState.BLOCKED, 0)

    @property
    def by_priority(self) -> Mapping[str, int]:
        """Returns the number of ready tasks, for every priority."""
        return {priority.label: self.figures.by_priority.get(priority.label, 0) for priority in Priority}

    @property
    def recent(self) -> Rates:
        """Returns the rates per minute in the last DRAIN_WINDOW_MINUTES."""
        return self.figures.rates[DRAIN_WINDOW_MINUTES]


@dataclass(frozen=True, slots=True)
class QueuesNow:
    """All queues with unfinished tasks, a hold, a setting or activity in the last hour, by name.

    `type_holds` are those on task types, `types` the names of all known types.
    """

    is_led: bool
    queues: Sequence[Queue]
    type_holds: Sequence[Hold]
    types: Sequence[str]


@dataclass(frozen=True, slots=True)
class Charts:
    """A queue over a range; every series has one value for each of `at` (epoch seconds), rates per minute."""

    at: Sequence[float]
    arrived: Sequence[float]
    ended: Sequence[float]
    waiting: Sequence[float | None]
    oldest_seconds: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Counts:
    """Unfinished tasks that a viewer sees, by the leader's snapshot or counted here."""

    at: float
    open: Sequence[OpenCount]
    lanes: Sequence[LaneDepth]


def queues_now(
    tx: Transaction,
    snapshot: LiveSnapshot | None,
    settings: Settings,
    types: Iterable[str],
    sees: Sees = everything,
) -> QueuesNow:
    """Returns the queues as of now: by the leader's snapshot, or counted here without a leader.

    `types` are the names of the registered task types; tasks that `sees` leaves out are not counted in backlogs and
    lanes. Raises Unavailable.
    """
    holds = holds_store.holds(tx)
    agents = tasks.present_agents(tx)
    counted = counts_of(tx, snapshot, sees)
    figures = queue_figures(tx, counted, settings.placement_of, settings.placement_by_queue, counted.at)
    if all(of_queue.queue != DEFAULT_QUEUE for of_queue in figures):
        figures.append(_nothing(DEFAULT_QUEUE, settings))
    lanes = _lanes(counted.lanes, counted.at, Reasons(agents, holds))
    queues = [
        Queue(each, lanes.get(each.queue, ()), _drain(each, lanes.get(each.queue, ()), snapshot))
        for each in sorted(figures, key=lambda each: each.queue)
    ]
    return QueuesNow(
        is_led=snapshot is not None,
        queues=queues,
        type_holds=[hold for hold in holds.by_name.values() if hold.kind is HoldKind.TYPE],
        types=sorted({*types, *(lane.type for lane in counted.lanes)}),
    )


class Reasons:
    """Explains why no agent takes the tasks of a lane."""

    def __init__(self, agents: Iterable[AgentRecord], holds: Holds) -> None:
        self._holds = holds
        self._agents = [(agent.name, slots_of(agent)) for agent in agents if agent.left_at is None]
        self._of_agents: dict[Lane, tuple[str, bool]] = {}

    def of(self, lane: Lane) -> tuple[str, bool]:
        """Returns (the reason or "", whether no registered agent could ever take it)."""
        alike = as_agents_see(lane)
        if alike not in self._of_agents:
            self._of_agents[alike] = self._by_agents(alike)
        reason, is_stuck = self._of_agents[alike]
        hold = self._holds.of_lane(lane)
        return (reason, is_stuck) if is_stuck or hold is None else (hold.text, False)

    def _by_agents(self, lane: Lane) -> tuple[str, bool]:
        stuck = unplaceable_reason(lane, (slots for _name, slots in self._agents))
        if stuck is not None:
            return stuck, True
        verdicts = [self._holds.of_agent(name) for name, slots in self._agents if slots.can_take(lane)]
        return listed(hold.text for hold in verdicts if hold) if all(verdicts) else "", False


def counts_of(tx: Transaction, snapshot: LiveSnapshot | None, sees: Sees = everything) -> Counts:
    """Returns the unfinished tasks that a viewer sees, by the leader's snapshot or counted here; raises Unavailable."""
    if snapshot is not None:
        at, open_, lanes = snapshot.at, snapshot.open, snapshot.lanes
    else:
        groups = live_counts.open_groups(tx)
        at, open_ = tasks.now(tx).timestamp(), live_counts.open_counts(groups)
        lanes = live_counts.lane_depths(groups)
    return Counts(
        at,
        [count for count in open_ if sees(count.queue, count.type)],
        [lane for lane in lanes if sees(lane.queue, lane.type)],
    )


def _nothing(name: str, settings: Settings) -> QueueFigures:
    """Returns the figures of a queue without data."""
    rates = {minutes: Rates() for minutes in WINDOWS_MINUTES}
    return QueueFigures(name, settings.placement_of(name), None, 0, {}, None, {}, rates, DrainEstimate(0.0))


def _drain(figures: QueueFigures, lanes: Sequence[LaneNow], snapshot: LiveSnapshot | None) -> DrainEstimate:
    """Estimates the time to drain; never if no agent takes any of its tasks."""
    estimate = figures.drain or DrainEstimate(None, NO_LEADER)
    if not figures.depth or estimate.reason == PAUSED:
        return estimate
    if snapshot is None:
        return DrainEstimate(None, NO_LEADER)
    if all(lane.reason for lane in lanes):
        return DrainEstimate(None, NOBODY_TAKES)
    if estimate.reason == NOTHING_RUNS:  # yet: what is predicted says more than no rate
        predicted = drain_seconds([one for one in snapshot.lanes if one.queue == figures.queue], snapshot.agents)
        return estimate if predicted is None else DrainEstimate(predicted, is_predicted=True)
    return estimate


def _lanes(depths: Iterable[LaneDepth], at: float, reasons: Reasons) -> dict[str, list[LaneNow]]:
    """Returns lanes by queue; ages count to `at` (epoch seconds)."""
    lanes: dict[str, list[LaneNow]] = {}
    for depth in depths:
        lane = Lane(depth.queue, depth.type, tuple(depth.requires))
        oldest = None if depth.oldest_ready_at is None else max(0.0, at - depth.oldest_ready_at)
        found = LaneNow(lane, depth.ready, oldest, depth.by_priority, *reasons.of(lane))
        lanes.setdefault(depth.queue, []).append(found)
    return lanes


def queue_charts(tx: Transaction, name: str, until: float, range_seconds: int) -> Charts:
    """Returns a queue's charts over a range that ends at `until` (epoch seconds); raises Unavailable."""
    step = history.step_for(range_seconds)
    first = (until - range_seconds) // step * step
    at = [first + step * n for n in range(int((until - first) // step) + 1)]
    points = {p.at: p for p in history.series(tx, first, until, step, Filter(queue=name), percentiles=False)}
    sampled = {
        (metric, start): most
        for start, _queue, metric, _mean, _least, most in history.samples(tx, "queue", first, until, step, name=name)
    }
    led = {start for start, *_rest in history.samples(tx, "dispatcher", first, until, step, "ticks_per_second")}
    per_minute = MINUTE / step
    found = [points.get(t, Point(t)) for t in at]
    # a queue without samples of a leader was empty
    waiting, oldest = (
        [sampled.get((metric, t), 0.0 if t in led else None) for t in at]
        for metric in ("waiting", "oldest_waiting_seconds")
    )
    return Charts(
        at=at,
        arrived=[per_minute * point.submitted for point in found],
        ended=[per_minute * (point.completed + point.failed + point.cancelled) for point in found],
        waiting=waiting,
        oldest_seconds=oldest,
    )
