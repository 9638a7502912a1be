"""Lists the agents of the leader's state for the live snapshot."""

from __future__ import annotations

from taskyard.core.message_templates import identity
from taskyard.core.scheduling.breaker import Breaker
from taskyard.core.scheduling.holds import HoldMode
from taskyard.core.telemetry.live_snapshot import AgentLive, OpenBreaker, RunningTask
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.known_agent import KnownAgent
from taskyard.worker.dispatch.leader_state import LeaderState

TASKS_LISTED = 50  # of each agent


def agents_live(leader_state: LeaderState, now: float, database_now: float) -> list[AgentLive]:
    """Returns every agent. `now` is monotonic, `database_now` epoch seconds. Called by the dispatcher's thread."""
    claims: dict[str, list[Claim]] = {}
    for claim in (*leader_state.claims.values(), *leader_state.hedges):
        claims.setdefault(claim.agent_id, []).append(claim)
    return [
        _agent(leader_state, agent, claims.get(id_, []), now, database_now)
        for id_, agent in leader_state.agents.items()
    ]


def _agent(
    leader_state: LeaderState, agent: KnownAgent, claims: list[Claim], now: float, database_now: float
) -> AgentLive:
    info, heartbeat = agent.info, agent.heartbeat
    begun = [claim for claim in claims if claim.started_at is not None]
    unread_since = agent.unread_since
    _note_unstarted(agent, claims, len(begun), now)
    return AgentLive(
        id=info.id,
        name=info.name,
        kind=info.kind,
        host=info.host,
        pid=info.pid,
        types=info.types,
        tags=info.tags,
        max_concurrency=info.max_concurrency,
        state=_state(leader_state, agent),
        running=heartbeat.running if heartbeat is not None else len(begun),
        held=len(claims),
        mean_seconds=None,
        cpu_percent=heartbeat.cpu_percent if heartbeat is not None else 0.0,
        memory_bytes=heartbeat.memory_bytes if heartbeat is not None else 0,
        # its age when somebody looked for one last: that one was not looked for since says nothing of the agent
        heartbeat_at=database_now - (agent.looked_at - agent.heartbeat_at if agent.heartbeat_at else 0.0),
        read_at=database_now if unread_since is None else database_now - (now - unread_since),
        tasks=[RunningTask(c.id, c.attempt, c.row.type, c.started_at or 0.0) for c in begun[:TASKS_LISTED]],
        breakers=[_breaker(breaker, now, database_now) for breaker in leader_state.breakers.of_agent(info.name)],
        known_types=leader_state.fleet.versions_of(info.id),
        refused=dict(agent.slots.refused),
        unstarted_seconds=now - agent.unstarted_since if agent.unstarted is not None else 0.0,
        agent_class=info.agent_class,
        seats=heartbeat.seats if heartbeat is not None else None,
    )


def _breaker(breaker: Breaker, now: float, database_now: float) -> OpenBreaker:
    return OpenBreaker(
        breaker.type,
        "probing" if breaker.is_probing else "open",
        str(breaker.reason),
        database_now - (now - breaker.since),
        database_now + (breaker.retry_at - now),
        *identity(breaker.reason),
    )


def _note_unstarted(agent: KnownAgent, claims: list[Claim], begun: int, now: float) -> None:
    """Keeps the oldest claim that the agent could have started and did not; one may wait for a seat for long."""
    seats = agent.heartbeat.seats if agent.heartbeat is not None else None
    waiting = [claim.pair for claim in claims if claim.started_at is None and claim.is_published]
    if not waiting or begun >= agent.usable_slots or (seats is not None and seats.waiting):
        agent.unstarted = None
    elif agent.unstarted not in waiting:
        agent.unstarted, agent.unstarted_since = waiting[0], now


def _state(leader_state: LeaderState, agent: KnownAgent) -> str:
    hold = leader_state.holds.of_agent(agent.info.name)
    if (agent.heartbeat is not None and agent.heartbeat.draining) or (hold and hold.mode is HoldMode.DRAINING):
        return "draining"
    return "paused" if hold else "online"
