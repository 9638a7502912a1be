"""Shows every registered boot of agents, and what agents ran in time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.language import in_language_of
from taskyard.api.models.agents import BootInfo, BootResults, Boots, OpenBreakerInfo, TimelineInfo
from taskyard.api.models.common import RANGE_TEXT, range_seconds
from taskyard.api.reading import ServicesDep, in_thread, read
from taskyard.api.services import Services
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import history, tasks
from taskyard.core.postgres.store.rollups import DAY
from taskyard.core.telemetry.live_snapshot import read_live
from taskyard.core.views.seeing import sees_all_queues, sees_type
from taskyard.core.views.timeline import Timeline, timeline_of

router = APIRouter(tags=["agents"], dependencies=[needs(Permission.TASK_READ)])


@router.get("/agent-boots", summary="List registered boots of agents")
async def find_boots(
    services: ServicesDep,
    actor: ActorDep,
    request: Request,
    all: Annotated[bool, Query(description="Also those that left or were lost")] = False,
) -> Boots:
    """Returns what each process of an agent registered, present ones first, and results of the last day."""
    boots, results = await read(services, _boots, actor, all)
    breakers: dict[str, list[OpenBreakerInfo]] = {}
    problem = None
    try:
        live = await in_thread(read_live, services.cache)
        for agent in live.agents if live is not None else ():
            seen = [one for one in agent.breakers if sees_type(actor, one.type)]
            if seen:
                breakers[agent.name] = [OpenBreakerInfo.model_validate(one) for one in seen]
    except Unavailable as error:
        problem = in_language_of(request)(error.text)
    return Boots(boots=boots, results=results, breakers=breakers, problem=problem)


@router.get("/agent-timeline", summary="Get agents' attempts in time")
async def timeline(
    services: ServicesDep,
    actor: ActorDep,
    agent: Annotated[str | None, Query(description="Only of the agent of this name")] = None,
    range: Annotated[str, Query(description=RANGE_TEXT)] = "5m",
) -> TimelineInfo:
    """Returns the attempts that ended in the last hour or still run, by agent, as a timeline draws them.

    A longer range, or one with too many attempts, is covered by steps.
    """
    return TimelineInfo.model_validate(await in_thread(_timeline, services, actor, range_seconds(range), agent))


def _boots(tx: Transaction, actor: Actor, every: bool) -> tuple[list[BootInfo], list[BootResults]]:
    found = tasks.agents(tx) if every else tasks.present_agents(tx)
    if not sees_all_queues(actor):
        return [BootInfo.model_validate(agent) for agent in found], []
    now = tasks.now(tx).timestamp()
    names = {agent.name for agent in found}
    results = [
        BootResults.model_validate(row)
        for row in history.reliability(tx, now - DAY, now)
        if row.agent in names and sees_type(actor, row.type)
    ]
    return [BootInfo.model_validate(agent) for agent in found], results


def _timeline(services: Services, actor: Actor, seconds: int, agent: str | None) -> Timeline:
    snapshot = read_live(services.cache)
    with services.database.transaction() as tx:
        return timeline_of(tx, actor, snapshot, tasks.now(tx).timestamp(), seconds, agent)
