"""Chooses an agent for each ready task, with pure functions of the tasks, the agents and their load."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import chain, zip_longest
from typing import NamedTuple, Protocol

from taskyard.core.i18n import N_, TranslatableText, msg
from taskyard.core.models import Lane
from taskyard.core.states import HEAD_START_SECONDS, Priority

# A strict queue keeps priorities apart by more than any age: about 32 years each.
STRICT_HEAD_START_SECONDS = 1e9
MAX_SCORE = 3e11  # limit of every score: the year 9999 with all head starts; also in peek.lua
_HEAD_STARTS = [HEAD_START_SECONDS[priority] for priority in sorted(Priority)]
MAX_QUEUE_AHEAD = 1_000
NAMES_SHOWN = 5
MAX_AHEAD_BYTES = 16 << 20  # of inputs that an agent holds, if it is to get more than it can run
# The reasons why no agent could ever take a task.
NO_AGENT = N_("no agent is registered")
NO_TYPE = N_("no registered agent takes type {type}")
NO_KNOWLEDGE = N_("no registered agent can run type {type}: {agents} do not know it, or not in this version")
NO_TAGS = N_("no agent for type {type} has tag {tags} (closest one is missing {missing})")


def score(ready: float, priority: int, policy: str) -> float:
    """Returns a task's place in its lane, lowest first: `ready` (epoch seconds) less its priority's head start."""
    if policy == "priority":
        return ready - STRICT_HEAD_START_SECONDS * (priority - Priority.MEDIUM)
    return ready - _HEAD_STARTS[priority]


def ready_of(score_: float, priority: int, policy: str) -> float:
    """Returns the inverse of `score`: when a task became ready, in epoch seconds."""
    if policy == "priority":
        return score_ + STRICT_HEAD_START_SECONDS * (priority - Priority.MEDIUM)
    return score_ + _HEAD_STARTS[priority]


def matches_any(task_type: str, patterns: Iterable[str]) -> bool:
    """Returns True if a pattern matches the type."""
    return any(fnmatchcase(task_type, pattern) for pattern in patterns)


@dataclass(slots=True, eq=False)
class AgentSlots:
    """Holds what placement knows of an agent: its abilities and its load.

    `open_tasks` and `open_seconds` count the tasks it was given and has not finished: their number, and the sum of
    their expected run times. It gets no tasks of the types in `barred` (see core.scheduling.breaker), and one probe
    of those in `probes`. `known_types` are the types it declared (None: not declared, its patterns alone decide);
    `refused` are the types it could not run, with the reason; `allowed` are the patterns of types that it may get,
    whatever it says (None: all).
    """

    id: str
    types: tuple[str, ...]
    tags: frozenset[str]
    max_concurrency: int
    accepts_work: bool = True
    open_tasks: int = 0
    open_seconds: float = 0.0
    open_bytes: int = 0  # of the inputs of these
    barred: set[str] = field(default_factory=set)
    probes: set[str] = field(default_factory=set)
    known_types: Collection[str] | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    allowed: Sequence[str] | None = None

    def can_take(self, lane: Lane) -> bool:
        """Returns True if types and tags match, regardless of load, and it can run the type."""
        return (
            (self.known_types is None or lane.type in self.known_types)
            and lane.type not in self.refused
            and self.tags.issuperset(lane.requires)
            and self.matches(lane.type)
            and (self.allowed is None or matches_any(lane.type, self.allowed))
        )

    def matches(self, task_type: str) -> bool:
        """Returns True if one of its patterns matches the type, declared or not."""
        return matches_any(task_type, self.types)

    def is_let_in(self, lane: Lane) -> bool:
        """Returns True if it may get tasks of this lane now, given room."""
        return self.accepts_work and lane.type not in self.barred and self.can_take(lane)

    def has_room(self, cover_seconds: float) -> bool:
        """Returns True if it may be given another task now.

        Beyond its slots (`max_concurrency`) it gets only as much as it can finish within `cover_seconds`, so that
        short tasks never wait for a round trip and long ones never queue behind each other.
        """
        if self.open_tasks < self.max_concurrency:
            return True
        if self.open_bytes > MAX_AHEAD_BYTES:
            return False
        return self.open_tasks < MAX_QUEUE_AHEAD and self.open_seconds <= cover_seconds * self.max_concurrency

    def free(self, expected_seconds: float, cover_seconds: float) -> int:
        """Returns how many tasks of this expected run time it may be given now (infinite: never run before)."""
        slots = max(0, self.max_concurrency - self.open_tasks)
        if self.open_bytes > MAX_AHEAD_BYTES:
            return slots
        spare_seconds = cover_seconds * self.max_concurrency - self.open_seconds
        ahead = int(spare_seconds / expected_seconds) if spare_seconds > 0 else 0
        return max(slots, min(ahead, MAX_QUEUE_AHEAD - self.open_tasks))

    def give(self, expected_seconds: float) -> None:
        self.open_tasks += 1
        self.open_seconds += expected_seconds

    def take_back(self, expected_seconds: float) -> None:
        self.open_tasks -= 1
        self.open_seconds = max(0.0, self.open_seconds - expected_seconds) if self.open_tasks else 0.0


def as_agents_see(lane: Lane) -> Lane:
    """Returns a lane without its queue, of which agents know nothing; those equal then suit the same agents."""
    return lane._replace(queue="")


def room_for(lane: Lane, agents: Iterable[AgentSlots], expected: float, cover_seconds: float, limit: int) -> int:
    """Returns how many tasks of a lane the agents may be given now, up to `limit` each."""
    return sum(
        min(agent.free(expected, cover_seconds), 1 if lane.type in agent.probes else limit)
        for agent in agents
        if agent.is_let_in(lane)
    )


class AgentFacts(Protocol):
    """Holds the facts about an agent that every description of agents has."""

    @property
    def id(self) -> str: ...
    @property
    def types(self) -> Sequence[str]: ...
    @property
    def tags(self) -> Sequence[str]: ...
    @property
    def max_concurrency(self) -> int: ...
    @property
    def known_types(self) -> Mapping[str, str] | None: ...


def slots_of(agent: AgentFacts) -> AgentSlots:
    """Returns an agent as placement sees it, without load."""
    slots = AgentSlots(agent.id, tuple(agent.types), frozenset(agent.tags), agent.max_concurrency)
    slots.known_types, slots.refused = agent.known_types, getattr(agent, "refused", {})
    return slots


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


Chooser = Callable[[Sequence[AgentSlots], Rotation], AgentSlots]


def _least_loaded(agents: Sequence[AgentSlots], rotation: Rotation) -> AgentSlots:
    best = agents[0]
    for agent in agents[1:]:
        if agent.open_tasks * best.max_concurrency < best.open_tasks * agent.max_concurrency:
            best = agent
    return best


def _round_robin(agents: Sequence[AgentSlots], rotation: Rotation) -> AgentSlots:
    rotation.next_agent += 1
    return agents[rotation.next_agent % len(agents)]


# `priority` differs in the order of the tasks (see `score`), not in the choice of the agent.
CHOOSERS: dict[str, Chooser] = {
    "least_loaded": _least_loaded,
    "round_robin": _round_robin,
    "priority": _least_loaded,
}


def place(
    candidates: Iterable[Candidate],
    agents: Sequence[AgentSlots],
    policy_of: Callable[[str], str],
    rotation: Rotation,
    cover_seconds: float,
) -> list[tuple[Candidate, AgentSlots]]:
    """Assigns tasks to agents and counts them against the agents' room.

    Within a queue the lowest score goes first; queues take turns, so that a long one does not starve the others. A
    task that finds no agent with room stays where it is. Assigned tasks are charged to `agents` (`AgentSlots.give`).
    """
    placed = []
    eligible_for: dict[Lane, tuple[AgentSlots, ...]] = {}
    ordered = sorted(agents, key=lambda agent: agent.id)
    for candidate in _in_turns(candidates, rotation):
        eligible = eligible_for.get(candidate.lane)
        if eligible is None:
            eligible = tuple(a for a in ordered if a.is_let_in(candidate.lane))
        if not all(agent.has_room(cover_seconds) for agent in eligible):
            eligible = tuple(a for a in eligible if a.has_room(cover_seconds))
        eligible_for[candidate.lane] = eligible
        if not eligible:
            continue
        agent = CHOOSERS[policy_of(candidate.lane.queue)](eligible, rotation)
        agent.give(candidate.expected_seconds)
        placed.append((candidate, agent))
        if candidate.lane.type in agent.probes:
            agent.probes.discard(candidate.lane.type)
            agent.barred.add(candidate.lane.type)
            eligible_for.clear()
    return placed


def _in_turns(candidates: Iterable[Candidate], rotation: Rotation) -> Iterable[Candidate]:
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
        return turns[0]
    return (c for c in chain.from_iterable(zip_longest(*turns)) if c is not None)


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
