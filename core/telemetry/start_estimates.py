"""Estimates when a ready task starts, from the predicted work before it and the slots that do it (pure)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_slots import slots_of
from taskyard.core.telemetry.learning_live import StartsLive
from taskyard.core.telemetry.live_snapshot import AgentLive, LaneDepth, LiveSnapshot

LAST = 500  # tasks whose starts were compared with their estimates
MIN_RESULTS = 50  # fewer say nothing of the errors
UNKNOWN_FACTOR = 3.0  # of an estimate, down and up, before
TAIL = 0.1
MIN_SECONDS = 0.1  # shorter waits are those of ticks
_ONLINE = "online"


class StartRange(NamedTuple):
    """When a task starts, in seconds from now, and how many of such ranges held lately (None: too few to say)."""

    low_seconds: float
    high_seconds: float
    coverage: float | None = None
    results: int = 0


def estimate_start(lane: Lane, before: int, live: LiveSnapshot) -> float | None:
    """Returns in how many seconds a ready task may start that `before` others of its lane precede.

    The work that goes first is that of its own lane, and as large a share of each other lane of the same agents. None
    if no agent takes it, or a run time is unknown. Only an estimate: urgent tasks overtake, and new ones arrive.
    """
    takers = takers_of(lane, live.agents)
    slots = sum(agent.usable_slots for agent in takers)
    own = next((one for one in live.lanes if _lane_of(one) == lane), None)
    if not slots:
        return None
    if before == 0 and any(agent.held < agent.usable_slots for agent in takers):
        return 0.0
    if own is None or not own.work_seconds or not own.ready:
        return None
    share = min(1.0, (before + 1) / own.ready)
    ahead = before * own.work_seconds / own.ready
    ids = {agent.id for agent in takers}
    for other in live.lanes:
        if other is own or not other.work_seconds:
            continue
        theirs = takers_of(_lane_of(other), live.agents)
        common = sum(agent.usable_slots for agent in theirs if agent.id in ids)
        ahead += share * other.work_seconds * common / max(1, sum(agent.usable_slots for agent in theirs))
    return (ahead + own.work_seconds / own.ready) / slots


def takers_of(lane: Lane, agents: Iterable[AgentLive]) -> list[AgentLive]:
    """Returns the agents that take tasks of a lane now, with or without room."""
    barred = lane.type
    return [
        agent
        for agent in agents
        if agent.state == _ONLINE
        and slots_of(agent).can_take(lane)
        and not any(breaker.type == barred for breaker in agent.breakers)
    ]


def start_range(estimate_seconds: float, starts: StartsLive | None) -> StartRange:
    """Returns the range around an estimate, by how far estimates were off lately."""
    if starts is None or starts.results < MIN_RESULTS:
        return StartRange(estimate_seconds / UNKNOWN_FACTOR, estimate_seconds * UNKNOWN_FACTOR)
    low, high = estimate_seconds * starts.low_factor, estimate_seconds * starts.high_factor
    return StartRange(low, high, starts.coverage, starts.results)


class StartErrors:
    """Remembers by what factor waits differed from their estimates, and how many were within their ranges."""

    def __init__(self) -> None:
        self._factors: deque[float] = deque(maxlen=LAST)
        self._inside: deque[bool] = deque(maxlen=LAST)

    def note(self, estimate_seconds: float, waited_seconds: float, found: StartRange) -> None:
        """Records a task that started, with the range that was told of it."""
        at = max(waited_seconds, MIN_SECONDS)
        self._inside.append(found.low_seconds <= at <= max(found.high_seconds, MIN_SECONDS))
        self._factors.append(at / max(estimate_seconds, MIN_SECONDS))

    def live(self) -> StartsLive:
        """Returns the factors for ranges in which 80 % of the last waits fell, and how many ranges held."""
        if not self._factors:
            return StartsLive(0, 1 / UNKNOWN_FACTOR, UNKNOWN_FACTOR, None)
        ordered = sorted(self._factors)
        last = len(ordered) - 1
        low, high = ordered[math.floor(TAIL * last)], ordered[math.ceil((1 - TAIL) * last)]
        coverage = sum(self._inside) / len(self._inside) if len(self._inside) >= MIN_RESULTS else None
        return StartsLive(len(ordered), low, high, coverage)


def drain_seconds(lanes: Sequence[LaneDepth], agents: Sequence[AgentLive]) -> float | None:
    """Returns how long the agents take for what is ready in these lanes; None if a run time is unknown, or no agent
    takes some of it.
    """
    longest = 0.0
    for lane in lanes:
        slots = sum(agent.usable_slots for agent in takers_of(_lane_of(lane), agents))
        if lane.ready and (not slots or lane.work_seconds is None):
            return None
    by_takers: dict[frozenset[str], tuple[float, int]] = {}
    for lane in lanes:
        takers = takers_of(_lane_of(lane), agents)
        ids = frozenset(agent.id for agent in takers)
        work, _ = by_takers.get(ids, (0.0, 0))
        by_takers[ids] = (work + (lane.work_seconds or 0.0), sum(agent.usable_slots for agent in takers))
    for work, slots in by_takers.values():
        longest = max(longest, work / max(1, slots))
    return longest


def _lane_of(depth: LaneDepth) -> Lane:
    return Lane(depth.queue, depth.type, tuple(depth.requires))
