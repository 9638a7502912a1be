"""Placement as simple as it can be said, asking every agent about every task: what the engine's must agree with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.scheduling.placement import Candidate, Rotation


def place_simply(
    candidates: Iterable[Candidate], agents: Sequence[AgentSlots], policy: str, rotation: Rotation, cover_seconds: float
) -> list[tuple[str, str]]:
    """Returns which task goes to which agent, and charges the agents as `place` does."""
    placed = []
    ordered = sorted(agents, key=lambda agent: agent.id)
    for candidate in _in_turns(candidates, rotation):
        eligible = [a for a in ordered if a.is_let_in(candidate.lane) and a.has_room(cover_seconds)]
        if not eligible:
            continue
        if policy == "round_robin":
            rotation.next_agent += 1
            agent = eligible[rotation.next_agent % len(eligible)]
        else:
            agent = min(eligible, key=lambda a: Fraction(a.open_tasks, a.max_concurrency))
        agent.give(candidate.expected_seconds)
        placed.append((candidate.id, agent.id))
        if candidate.lane.type in agent.probes:
            agent.use_probe(candidate.lane.type)
    return placed


def _in_turns(candidates: Iterable[Candidate], rotation: Rotation) -> list[Candidate]:
    """Returns one task of each queue, then the next of each …, the lowest score of a queue first."""
    queues: dict[str, list[Candidate]] = {}
    for candidate in sorted(candidates, key=lambda candidate: candidate.score):
        queues.setdefault(candidate.lane.queue, []).append(candidate)
    names = sorted(queues)
    rotation.next_queue += 1
    found: list[Candidate] = []
    for turn in range(max(map(len, queues.values()), default=0)):
        for position in range(len(names)):
            queue = queues[names[(rotation.next_queue + position) % len(names)]]
            found += queue[turn : turn + 1]
    return found


def room_simply(lane: Lane, agents: Iterable[AgentSlots], expected_seconds: float, cover_seconds: float) -> int:
    """Returns how many tasks of a lane the agents may be given now."""
    return sum(
        min(free, 1) if lane.type in agent.probes else free
        for agent in agents
        if agent.is_let_in(lane) and (free := agent.free(expected_seconds, cover_seconds))
    )
