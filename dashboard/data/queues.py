"""What the page of queues shows: what waits where, since when, and why."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core import metrics
from core.flow import Drain, Flow, drain
from core.holds import Hold, HoldKind, HoldMode, Holds
from core.live import LaneDepth, OpenCount
from core.metrics import Filter, Point
from core.models import AgentRecord, Lane
from core.placement import AgentSlots, unplaceable_reason
from core.states import CLAIMED, Priority, TaskState
from core.store import flow as store
from core.store import holding, reading, watching
from core.store.rolling import HOUR, MINUTE
from dashboard.data.base import Reading, Servers, live, shared

DEFAULT_QUEUE = "default"


@dataclass(frozen=True, slots=True)
class LaneNow:
    """What is ready in one lane. `reason` says why no agent takes it, "" if one does; `is_stuck` if none ever could."""

    lane: Lane
    ready: int
    oldest_seconds: float | None
    by_priority: Mapping[str, int]
    reason: str = ""
    is_stuck: bool = False


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue. Counts are of tasks; `policy` is how its tasks are placed on agents.

    `flow` is None if nobody has counted the last minutes.
    """

    name: str
    policy: str
    hold: Hold | None
    flow: Flow | None
    is_led: bool
    lanes: Sequence[LaneNow] = ()
    running: int = 0
    scheduled: int = 0
    blocked: int = 0

    @property
    def state(self) -> str:
        """open, paused or draining."""
        return "open" if self.hold is None else self.hold.mode.value

    @property
    def ready(self) -> int:
        return sum(lane.ready for lane in self.lanes)

    @property
    def by_priority(self) -> Mapping[str, int]:
        return {p.label: sum(lane.by_priority.get(p.label, 0) for lane in self.lanes) for p in Priority}

    @property
    def oldest_seconds(self) -> float | None:
        """How long the oldest ready task has waited; None if none waits."""
        return max((lane.oldest_seconds for lane in self.lanes if lane.oldest_seconds is not None), default=None)

    @property
    def drain(self) -> Drain:
        """When what is ready will have left."""
        return drain(
            self.ready,
            self.flow,
            is_led=self.is_led,
            is_paused=self.state == HoldMode.PAUSED,
            is_refusing=self.state == HoldMode.DRAINING,
            is_taken=any(not lane.reason for lane in self.lanes),
        )


@dataclass(frozen=True, slots=True)
class Now:
    """All queues with anything open, held, configured or lately done, by name.

    `type_holds` are those on task types, `types` the names of all types that are known.
    """

    is_led: bool
    queues: Sequence[Queue]
    type_holds: Sequence[Hold]
    types: Sequence[str]


@dataclass(frozen=True, slots=True)
class Charts:
    """A queue over a range; every series has one value for each of `at` (epoch seconds), rates per minute."""

    queue: str
    at: Sequence[float]
    arrived: Sequence[float]
    ended: Sequence[float]
    waiting: Sequence[float | None]
    oldest_seconds: Sequence[float | None]


@shared()
def now(servers: Servers) -> Now:
    """The queues as they are now: by the leader's counts, or counted here if nobody leads."""
    snapshot = live(servers)
    with servers.database.transaction() as tx:
        holds = holding.holds(tx)
        agents = reading.agents(tx)
        groups = [] if snapshot else watching.open_groups(tx)
        at = snapshot.at if snapshot else reading.now(tx).timestamp()
        flows = store.queue_flows(tx, at)
    lanes = _lanes(snapshot.lanes if snapshot else watching.lane_depths(groups), at, Reasons(agents, holds))
    counts = _counts(snapshot.open if snapshot else watching.open_counts(groups))
    held = {hold.name for hold in holds.by_name.values() if hold.kind is HoldKind.QUEUE}
    names = {DEFAULT_QUEUE, *servers.settings.placement_by_queue, *held, *lanes, *(flows or ())}
    names |= {queue for queue, _state in counts}
    return Now(
        is_led=snapshot is not None,
        queues=[
            Queue(
                name=name,
                policy=servers.settings.placement_of(name),
                hold=holds.by_name.get((HoldKind.QUEUE, name)),
                flow=None if flows is None else flows.get(name, Flow()),
                lanes=lanes.get(name, ()),
                running=sum(counts.get((name, state), 0) for state in CLAIMED),
                scheduled=counts.get((name, TaskState.SCHEDULED), 0),
                blocked=counts.get((name, TaskState.BLOCKED), 0),
                is_led=snapshot is not None,
            )
            for name in sorted(names)
        ],
        type_holds=[hold for hold in holds.by_name.values() if hold.kind is HoldKind.TYPE],
        types=sorted({*servers.registry.types, *(lane.lane.type for found in lanes.values() for lane in found)}),
    )


class Reasons:
    """Why no agent takes what is in a lane."""

    def __init__(self, agents: Iterable[AgentRecord], holds: Holds) -> None:
        self._holds = holds
        self._agents = [
            (agent.name, AgentSlots(agent.id, agent.types, frozenset(agent.tags), agent.max_concurrency))
            for agent in agents
            if agent.left_at is None
        ]

    def of(self, lane: Lane) -> tuple[str, bool]:
        """(the reason or "", whether no registered agent could ever take it)."""
        stuck = unplaceable_reason(lane, (slots for _name, slots in self._agents))
        hold = self._holds.of_lane(lane)
        if stuck or hold:
            return stuck or str(hold), stuck is not None
        verdicts = [self._holds.of_agent(name) for name, slots in self._agents if slots.can_take(lane)]
        return ("; ".join(map(str, verdicts)) if all(verdicts) else ""), False


def _lanes(depths: Iterable[LaneDepth], at: float, reasons: Reasons) -> dict[str, list[LaneNow]]:
    """By queue; ages count to `at` (epoch seconds)."""
    lanes: dict[str, list[LaneNow]] = {}
    for depth in depths:
        lane = Lane(depth.queue, depth.type, tuple(depth.requires))
        oldest = None if depth.oldest_ready_at is None else max(0.0, at - depth.oldest_ready_at)
        found = LaneNow(lane, depth.ready, oldest, depth.by_priority, *reasons.of(lane))
        lanes.setdefault(depth.queue, []).append(found)
    return lanes


def _counts(groups: Iterable[OpenCount]) -> dict[tuple[str, str], int]:
    """Tasks by queue and state."""
    counts: dict[tuple[str, str], int] = {}
    for group in groups:
        counts[group.queue, group.state] = counts.get((group.queue, group.state), 0) + group.count
    return counts


def charts(name: str, range_seconds: int) -> Reading[Charts]:
    """A queue over a range until now. Longer ranges are shared for longer."""
    return _charts_fast(name, range_seconds) if range_seconds <= HOUR else _charts_slow(name, range_seconds)


def _read_charts(servers: Servers, name: str, range_seconds: int) -> Charts:
    until = time.time()
    step = metrics.step_for(range_seconds)
    first = (until - range_seconds) // step * step
    at = [first + step * n for n in range(int((until - first) // step) + 1)]
    with servers.database.transaction() as tx:
        points = {p.at: p for p in metrics.series(tx, first, until, step, Filter(queue=name), percentiles=False)}
        sampled = {
            (metric, start): most
            for start, queue, metric, _mean, _least, most in metrics.samples(tx, "queue", first, until, step)
            if queue == name
        }
        led = {start for start, *_rest in metrics.samples(tx, "dispatcher", first, until, step, "ticks_per_second")}
    per_minute = MINUTE / step
    found = [points.get(t, Point(t)) for t in at]
    # what a leader sampled nothing of was empty
    waiting, oldest = (
        [sampled.get((metric, t), 0.0 if t in led else None) for t in at]
        for metric in ("waiting", "oldest_waiting_seconds")
    )
    return Charts(
        queue=name,
        at=at,
        arrived=[per_minute * point.submitted for point in found],
        ended=[per_minute * (point.completed + point.failed + point.cancelled) for point in found],
        waiting=waiting,
        oldest_seconds=oldest,
    )


_charts_fast = shared(ttl_seconds=5.0)(_read_charts)
_charts_slow = shared(ttl_seconds=30.0)(_read_charts)
