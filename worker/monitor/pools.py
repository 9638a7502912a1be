"""Puts together what pools say of themselves, and how many agents the backlog calls for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from taskyard.core.models import Lane
from taskyard.core.postgres.store.live_counts import OpenGroup
from taskyard.core.redis.pools import MAX_TOLD, KindReport, PoolReport
from taskyard.core.scheduling.agent_demand import KindDemand, agents_needed
from taskyard.core.scheduling.holds import HoldMode, Holds
from taskyard.core.telemetry.live_snapshot import AgentLive, PoolLive


def pools_live(
    reports: Sequence[PoolReport],
    agents: Iterable[AgentLive],
    backlog: Mapping[Lane, int],
    seconds_by_type: Mapping[str, float],
    was_busy: Collection[str] = (),
) -> list[PoolLive]:
    """Returns the pools by kind (pure).

    `backlog` counts the tasks that could start now, by lane; `was_busy` has the ids of agents that just ended one.
    """
    by_kind: dict[str, list[tuple[str, KindReport]]] = {}
    for report in reports:
        for one in report.kinds:
            by_kind.setdefault(one.kind, []).append((report.host, one))
    running: dict[str, list[int]] = {}
    active: set[str] = set()
    for agent in agents:
        if agent.id in was_busy:
            active.add(agent.kind)
        waiting = 0 if agent.seats is None else agent.seats.waiting  # for a seat: these are not in the backlog any more
        running.setdefault(agent.kind, []).append(agent.running + waiting)
    demands = [_demand(kind, by_kind[kind][0][1], running.get(kind, []), kind in active) for kind in sorted(by_kind)]
    needed = agents_needed(demands, backlog, seconds_by_type)
    return [_pool(kind, by_kind[kind], needed[kind]) for kind in sorted(by_kind)]


def startable(groups: Iterable[OpenGroup], holds: Holds) -> dict[Lane, int]:
    """Returns the ready tasks by lane, without those that a pause keeps from starting (pure)."""
    found: dict[Lane, int] = {}
    for group in groups:
        if group.is_ready:
            found[group.lane] = found.get(group.lane, 0) + group.count
    return {lane: count for lane, count in found.items() if not _is_paused(lane, holds)}


def _is_paused(lane: Lane, holds: Holds) -> bool:
    hold = holds.of_lane(lane)
    return hold is not None and hold.mode is HoldMode.PAUSED


def _demand(kind: str, report: KindReport, running: Sequence[int], was_busy: bool) -> KindDemand:
    busy = sum(count > 0 for count in running)
    return KindDemand(kind, tuple(report.types), frozenset(report.tags), report.slots, sum(running), busy, was_busy)


def _pool(kind: str, found: Sequence[tuple[str, KindReport]], needed: int) -> PoolLive:
    first = found[0][1]
    return PoolLive(
        kind=kind,
        hosts=sorted({host for host, _report in found}),
        types=first.types,
        tags=first.tags,
        slots=first.slots,
        configured=sum(report.configured for _host, report in found),
        wanted=sum(report.wanted for _host, report in found),
        running=sum(report.running for _host, report in found),
        leaving=sum(report.leaving for _host, report in found),
        is_fixed=any(report.is_fixed for _host, report in found),
        needed=needed,
        starting=sum(report.starting for _host, report in found),
        failing=sum(report.failing for _host, report in found),
        absent=[one for _host, report in found for one in report.absent][:MAX_TOLD],
        most=min(report.most for _host, report in found),
    )
