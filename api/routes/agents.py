"""Shows agents, and pauses, drains, resumes and restarts them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.language import in_language_of
from taskyard.api.models.agents import (
    AgentDetails,
    AgentInfo,
    AgentResults,
    Agents,
    AgentUsageSeries,
    GoneAgent,
    Restarted,
)
from taskyard.api.models.common import RANGE_TEXT, Changed, Reason, range_seconds
from taskyard.api.reading import ServicesDep, in_thread, read
from taskyard.api.seeing import missing
from taskyard.api.services import Services
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.i18n import msg
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import tasks
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission import authorized_controls
from taskyard.core.telemetry.live_snapshot import read_live
from taskyard.core.views.agents import AgentsNow, agent_records, agent_usage, agents_now
from taskyard.core.views.narrowing import seen_agents
from taskyard.core.views.seeing import sees_all_queues, sees_type

router = APIRouter(prefix="/agents", tags=["agents"])
AgentName = Annotated[str, Path(alias="name", description="The name of the agent, without the boot")]
State = Literal["online", "paused", "draining", "silent"]


@router.get("", summary="List agents", dependencies=[needs(Permission.TASK_READ)])
async def find(
    services: ServicesDep,
    actor: ActorDep,
    request: Request,
    text: Annotated[str, Query(max_length=200, description="A part of the name or the host, in any case")] = "",
    state: Annotated[State | None, Query(description="Only agents in this state")] = None,
    type: Annotated[str | None, Query(description="Only agents that take this type, whatever the tags")] = None,
) -> Agents:
    """Returns the present agents by name, and those that left or were lost in the last day."""
    say = in_language_of(request)
    now = await in_thread(_now, services, actor)
    found = [
        agent
        for agent in now.agents
        if text.lower() in f"{agent.name} {agent.host}".lower()
        and state in (None, agent.state)
        and (type is None or agent.takes(type))
    ]
    return Agents(
        is_led=now.is_led,
        at=now.at,
        agents=[AgentInfo.of(agent, say) for agent in found],
        gone=[GoneAgent.model_validate(record) for record in now.gone],
    )


@router.get("/{name}", summary="Get an agent", dependencies=[needs(Permission.TASK_READ)])
async def get(
    name: AgentName,
    services: ServicesDep,
    actor: ActorDep,
    request: Request,
    range: Annotated[str, Query(description=f"{RANGE_TEXT}, for results and usage")] = "1h",
) -> AgentDetails:
    """Returns a present agent with its results by type and its resource usage over a range until now."""
    seconds = range_seconds(range)
    say = in_language_of(request)
    now = await in_thread(_now, services, actor)
    agent = next((agent for agent in now.agents if agent.name == name), None)
    if agent is None:
        raise missing(msg("no agent {name} is present", name=name))
    usage = await read(services, agent_usage, name, now.at, seconds)
    results = None
    if sees_all_queues(actor):
        records = (await read(services, agent_records, now.at, seconds)).get(name, {})
        results = [
            AgentResults.of(type_, record) for type_, record in sorted(records.items()) if sees_type(actor, type_)
        ]
    shown = AgentInfo.of(agent, say)
    return AgentDetails(agent=shown, results=results, usage=AgentUsageSeries.model_validate(usage))


@router.post("/{name}/pause", summary="Pause an agent", dependencies=[needs(Permission.AGENT_CONTROL)])
async def pause(name: AgentName, services: ServicesDep, actor: ActorDep, given: Reason | None = None) -> Changed:
    """Gives an agent nothing new; what it has goes on. It lasts until it is resumed, through restarts."""
    return await _hold(services, actor, name, HoldMode.PAUSED, given)


@router.post("/{name}/drain", summary="Drain an agent", dependencies=[needs(Permission.AGENT_CONTROL)])
async def drain(name: AgentName, services: ServicesDep, actor: ActorDep, given: Reason | None = None) -> Changed:
    """Gives an agent nothing new and takes back, at no cost, what it has not started."""
    return await _hold(services, actor, name, HoldMode.DRAINING, given)


@router.post("/{name}/resume", summary="Resume an agent", dependencies=[needs(Permission.AGENT_CONTROL)])
async def resume(name: AgentName, services: ServicesDep, actor: ActorDep, given: Reason | None = None) -> Changed:
    """Ends an agent's pause or drain."""
    await read(services, _check_known, name)
    why = given.reason if given else ""
    is_changed = await read(services, authorized_controls.release, actor, HoldKind.AGENT, name, why)
    return Changed(is_changed=is_changed)


@router.post("/{name}/restart", summary="Restart an agent", dependencies=[needs(Permission.AGENT_CONTROL)])
async def restart(name: AgentName, services: ServicesDep, actor: ActorDep, given: Reason | None = None) -> Restarted:
    """Asks every process of an agent to finish what it runs and to be replaced."""
    await read(services, _check_known, name, is_present=True)
    why = given.reason if given else ""
    boots = await in_thread(authorized_controls.restart_agent, services.database, services.broker, actor, name, why)
    return Restarted(boots=boots)


async def _hold(services: Services, actor: Actor, name: str, mode: HoldMode, given: Reason | None) -> Changed:
    await read(services, _check_known, name)
    why = given.reason if given else ""
    is_changed = await read(services, authorized_controls.hold, actor, HoldKind.AGENT, name, mode, why)
    return Changed(is_changed=is_changed)


def _check_known(tx: Transaction, name: str, *, is_present: bool = False) -> None:
    """Raises Refused (404) for an agent that was never registered, or is not present."""
    known = tasks.present_agents(tx) if is_present else tasks.agents(tx)
    if not any(agent.name == name for agent in known):
        raise missing(
            msg("no agent {name} is present", name=name) if is_present else msg("no agent {name} is known", name=name)
        )


def _now(services: Services, actor: Actor) -> AgentsNow:
    """Returns the agents with those of their tasks, breakers and types that an actor sees."""
    snapshot = read_live(services.cache)
    with services.database.transaction() as tx:
        return seen_agents(tx, actor, agents_now(tx, snapshot))
