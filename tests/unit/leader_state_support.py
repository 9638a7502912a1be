"""What tests of the leader's memory need: agents, claims, heartbeats, rosters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from taskyard.core.models import Lane
from taskyard.core.postgres.store.tick import Claimed
from taskyard.core.protocol import AgentInfo, Heartbeat, Pair, encode
from taskyard.core.redis.roster import NO_OWN, Roster
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.scheduling.placement import Candidate
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.leader_state import LeaderState

GENERATION = "run:mark"
TTL_SECONDS = 10.0


def task_id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012}"


def info(agent_id: str = "coder-1:a", types: Iterable[str] = ("*",), max_concurrency: int = 3) -> AgentInfo:
    name, boot_id = agent_id.split(":")
    return AgentInfo(agent_id, name, boot_id, "coder", "here", 1, list(types), [], max_concurrency)


def claimed(number: int, attempt: int = 1, agent_id: str = "coder-1:a", task_type: str = "demo.work") -> Claimed:
    """What the store returns for a task that was just given to an agent."""
    return Claimed(task_id(number), attempt, task_type, "{}", 60.0, None, 1, agent_id, 3, 0, 0, 0)


def give(leader_state: LeaderState, row: Claimed, expected_seconds: float = 1.0) -> Claim:
    """Opens a claim the way a tick does: charged when placed, opened when committed, then published."""
    leader_state.agents[row.agent_id].slots.give(expected_seconds)
    claim = leader_state.open(row, expected_seconds)
    claim.is_published = True
    return claim


def placed(number: int, slots: AgentSlots, expected_seconds: float = 1.0) -> tuple[Candidate, AgentSlots]:
    """A candidate that placement gave to an agent."""
    slots.give(expected_seconds)
    return Candidate(task_id(number), Lane("default", "demo.work"), 0.0, expected_seconds), slots


def heartbeat(
    agent_id: str = "coder-1:a",
    read: str = "0-0",
    held: Iterable[Pair] = (),
    *,
    draining: bool = False,
    generation: str = GENERATION,
) -> Heartbeat:
    return Heartbeat(info(agent_id), generation, read, list(held), 0, draining, 0.0, 0)


def roster(
    *beats: Heartbeat,
    tail: str = "0-0",
    inbox_tail: str = "0-0",
    canary_lives: bool = True,
    own_tails: Mapping[str, bytes] = NO_OWN,
    others: Iterable[str] = (),
) -> Roster:
    """One reading of the roster; every inbox ends at `inbox_tail`, and `others` are not read."""
    return Roster(
        generation=GENERATION,
        epoch=1,
        canary_lives=canary_lives,
        results_tail=tail.encode(),
        lanes=[],
        agents={beat.agent.id: (encode(beat), inbox_tail.encode()) for beat in beats},
        own_tails=own_tails,
        others=frozenset(others),
    )
