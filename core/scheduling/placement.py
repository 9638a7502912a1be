"""Chooses an agent for each ready task, with pure functions of the tasks, the agents and their load."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

from taskyard.core.i18n import N_, TranslatableText, msg
from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.scheduling.crew import Crew
from taskyard.core.scheduling.crews import Crews
from taskyard.core.scheduling.matching import MIN_SECONDS, Matching
from taskyard.core.states import HEAD_START_SECONDS, Priority

LEARNED = "learned"  # the policy under which tasks predicted short go first
# A strict queue keeps priorities apart by more than any age: about 32 years each.
STRICT_HEAD_START_SECONDS = 1e9
MAX_SCORE = 3e11  # limit of every score: the year 9999 with all head starts; also in peek.lua
_HEAD_STARTS = [HEAD_START_SECONDS[priority] for priority in sorted(Priority)]
NAMES_SHOWN = 5
# The reasons why no agent could ever take a task.
NO_AGENT = N_("no agent is registered")
NO_TYPE = N_("no registered agent takes type {type}")
NO_KNOWLEDGE = N_("no registered agent can run type {type}: it, or this version of it, is not known to {agents}")
NO_TAGS = N_("no agent for type {type} has tag {tags} (closest one is missing {missing})")


def score(ready: float, priority: int, policy: str, head_start: float = 0.0) -> float:
    """Returns a task's place in its lane, lowest first: `ready` (epoch seconds) less its priority's head start.

    The policy `learned` takes its own head start (seconds) off, too, which it got because it is predicted to be short.
    """
    return ready - _ahead(priority, policy, head_start)


def ready_of(score_: float, priority: int, policy: str, head_start: float = 0.0) -> float:
    """Returns the inverse of `score`: when a task became ready, in epoch seconds."""
    return score_ + _ahead(priority, policy, head_start)


def _ahead(priority: int, policy: str, head_start: float) -> float:
    if policy == "priority":
        return STRICT_HEAD_START_SECONDS * (priority - Priority.MEDIUM)
    return _HEAD_STARTS[priority] + head_start if policy == LEARNED else _HEAD_STARTS[priority]


class Candidate(NamedTuple):
    """A ready task: its id, lane, score, and expected run time."""

    id: str
    lane: Lane
    score: float
    expected_seconds: float


@dataclass(slots=True)
class Rotation:
    """Holds the position of the round robin and the queue that goes first."""

    next_agent: int = 0
    next_queue: int = 0


Placed = list[tuple[Candidate, AgentSlots]]
Chooser = Callable[[Crew, Rotation], AgentSlots | None]


def _least_loaded(crew: Crew, rotation: Rotation) -> AgentSlots | None:
    return crew.least_loaded()


def _round_robin(crew: Crew, rotation: Rotation) -> AgentSlots | None:
    agents = crew.in_order()
    if not agents:
        return None
    rotation.next_agent += 1
    return agents[rotation.next_agent % len(agents)]


# `priority` and `learned` differ in the order of the tasks (see `score`); for `learned` see also `_matched`.
CHOOSERS: dict[str, Chooser] = {
    "least_loaded": _least_loaded,
    "round_robin": _round_robin,
    "priority": _least_loaded,
    LEARNED: _least_loaded,
}


def place(
    candidates: Iterable[Candidate],
    crews: Crews,
    policy_of: Callable[[str], str],
    rotation: Rotation,
    cover_seconds: float,
    matching: Matching | None = None,
) -> Placed:
    """Assigns tasks to agents and counts them against the agents' room.

    Within a queue the lowest score goes first; queues take turns, so that a long one does not starve the others. A
    task that finds no agent with room stays where it is. Assigned tasks are charged to their agents
    (`AgentSlots.give`), all or, if something fails, none. In queues with the policy `learned` agents get what they are
    comparatively best at, by `matching`.
    """
    crews.refresh(cover_seconds)
    placed: Placed = []
    before: dict[AgentSlots, tuple[int, float]] = {}
    lane: Lane | None = None
    matched = matching if matching is not None and matching.is_of_use else None
    try:
        for waiting, position in _in_turns(candidates, rotation):
            candidate = waiting[position]
            if candidate.lane is not lane:
                lane = candidate.lane
                policy = policy_of(lane.queue)
                crew, choose = crews.of(lane), CHOOSERS[policy]
            agent = choose(crew, rotation)
            if agent is None:
                continue
            if matched is not None and policy == LEARNED and candidate.expected_seconds >= MIN_SECONDS:
                candidate, agent = _matched(matched, waiting, position, agent, crews)
                lane = None
            if agent not in before:
                before[agent] = agent.open_tasks, agent.open_seconds
            agent.give(candidate.expected_seconds)
            placed.append((candidate, agent))
            if candidate.lane.type in agent.probes:
                agent.use_probe(candidate.lane.type)
                crews.regroup()
                lane = None  # its crew may be another one now
            if not agent.has_room(cover_seconds):
                crews.note_full(agent)
    except BaseException:
        for agent, load in before.items():
            agent.restore(*load)
        raise
    return placed


def _matched(
    matching: Matching, waiting: list[Candidate], position: int, agent: AgentSlots, crews: Crews
) -> tuple[Candidate, AgentSlots]:
    """Returns the task and the agent that go together, in place of the next task and the least loaded agent.

    The others keep their order.
    """
    candidate = waiting[position]
    crew = crews.of(candidate.lane)
    if len(waiting) - position <= crew.slots:
        return candidate, matching.best_agent(crew, candidate.lane, agent)
    chosen = matching.best_of(waiting, position, agent, crews)
    waiting.insert(position, waiting.pop(chosen))
    matching.passed.pop(waiting[position].id, None)
    return waiting[position], agent


def _in_turns(candidates: Iterable[Candidate], rotation: Rotation) -> Iterable[tuple[list[Candidate], int]]:
    """Returns the tasks of each queue in order, and the position of the next one, the queues taking turns."""
    queues: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        queues.setdefault(candidate.lane.queue, []).append(candidate)
    for queue in queues.values():
        queue.sort(key=lambda candidate: candidate.score)
    names = sorted(queues)
    rotation.next_queue += 1
    start = rotation.next_queue % len(names) if names else 0
    turns = [queues[name] for name in names[start:] + names[:start]]
    if len(turns) == 1:
        return zip(repeat(turns[0]), range(len(turns[0])))
    longest = max(map(len, turns), default=0)
    return ((turn, position) for position in range(longest) for turn in turns if position < len(turn))


def unplaceable_reason(lane: Lane, agents: Iterable[AgentSlots]) -> TranslatableText | None:
    """Returns why no registered agent could ever take a task of this lane; None if one could."""
    known = list(agents)
    if any(agent.can_take(lane) for agent in known):
        return None
    if not known:
        return msg(NO_AGENT)
    by_type = [a for a in known if a.can_take(Lane(lane.queue, lane.type))]
    if not by_type:
        ignorant = sorted({agent.id.partition(":")[0] for agent in known if agent.matches(lane.type)})
        if not ignorant:
            return msg(NO_TYPE, type=lane.type)
        names = ", ".join(ignorant[:NAMES_SHOWN] + ["…"] * (len(ignorant) > NAMES_SHOWN))
        return msg(NO_KNOWLEDGE, type=lane.type, agents=names)
    missing = min((sorted(set(lane.requires) - a.tags) for a in by_type), key=len)
    return msg(NO_TAGS, type=lane.type, tags=", ".join(lane.requires), missing=", ".join(missing))
