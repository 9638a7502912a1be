"""Defines an agent as placement sees it: which tasks it may get, and how many it has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Generic, Protocol, TypeVar

from taskyard.core.models import Lane

MAX_QUEUE_AHEAD = 1_000
MAX_AHEAD_BYTES = 16 << 20  # of inputs that an agent holds, if it is to get more than it can run
NONE: frozenset[str] = frozenset()

_Value = TypeVar("_Value")


def matches_any(task_type: str, patterns: Iterable[str]) -> bool:
    """Returns True if a pattern matches the type."""
    return any(fnmatchcase(task_type, pattern) for pattern in patterns)


def as_agents_see(lane: Lane) -> Lane:
    """Returns a lane without its queue, of which agents know nothing; those equal then suit the same agents."""
    return lane._replace(queue="")


@dataclass(slots=True)
class Changes:
    """The agents whose load or abilities changed since somebody looked last."""

    loads: set[AgentSlots] = field(default_factory=set)
    abilities: set[AgentSlots] = field(default_factory=set)


class _Ability(Generic[_Value]):
    """An attribute that decides which tasks an agent may get: whoever follows the agent hears of a change."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, agent: AgentSlots, owner: type) -> _Value:
        value: _Value = getattr(agent, self._name)
        return value

    def __set__(self, agent: AgentSlots, value: _Value) -> None:
        setattr(agent, self._name, value)
        if agent.changes is not None:
            agent.changes.abilities.add(agent)


class AgentSlots:
    """Holds what placement knows of an agent: its abilities and its load.

    `open_tasks` and `open_seconds` count the tasks it was given and has not finished: their number, and the sum of
    their expected run times. It gets no tasks of the types in `barred` (see core.scheduling.breaker), and one probe
    of those in `probes`. `known_types` are the types it declared (None: not declared, its patterns alone decide);
    `refused` are the types it could not run, with the reason; `allowed` are the patterns of types that it may get,
    whatever it says (None: all). `changes` is where its changes are noted (None: nobody follows it).

    Abilities are replaced, never changed in place. Agents compare by identity.
    """

    __slots__ = (
        "_accepts_work",
        "_allowed",
        "_barred",
        "_known_types",
        "_probes",
        "_refused",
        "_tags",
        "_types",
        "changes",
        "id",
        "max_concurrency",
        "open_bytes",
        "open_seconds",
        "open_tasks",
    )

    types = _Ability[tuple[str, ...]]()
    tags = _Ability[frozenset[str]]()
    accepts_work = _Ability[bool]()
    barred = _Ability[frozenset[str]]()
    probes = _Ability[frozenset[str]]()
    known_types = _Ability["Collection[str] | None"]()
    refused = _Ability[Mapping[str, str]]()
    allowed = _Ability["Sequence[str] | None"]()

    def __init__(
        self,
        id: str,
        types: tuple[str, ...],
        tags: frozenset[str],
        max_concurrency: int,
        *,
        accepts_work: bool = True,
        open_tasks: int = 0,
        open_seconds: float = 0.0,
        known_types: Collection[str] | None = None,
        refused: Mapping[str, str] | None = None,
    ) -> None:
        self.changes: Changes | None = None
        self.id = id
        self.max_concurrency = max_concurrency
        self.open_tasks = open_tasks
        self.open_seconds = open_seconds
        self.open_bytes = 0  # of the inputs of these
        self.types, self.tags, self.accepts_work = types, tags, accepts_work
        self.barred = self.probes = NONE
        self.known_types, self.refused, self.allowed = known_types, refused or {}, None

    def can_take(self, lane: Lane) -> bool:
        """Returns True if types and tags match, regardless of load, and it can run the type."""
        return self.can_run(lane.type) and self.tags.issuperset(lane.requires)

    def can_run(self, task_type: str) -> bool:
        """Returns True if it may get tasks of the type, given their tags."""
        return (
            (self.known_types is None or task_type in self.known_types)
            and task_type not in self.refused
            and self.matches(task_type)
            and (self.allowed is None or matches_any(task_type, self.allowed))
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

    def free_slots(self) -> int:
        """Returns how many tasks it could run at once in addition to those it has."""
        return max(0, self.max_concurrency - self.open_tasks)

    def free(self, expected_seconds: float, cover_seconds: float) -> int:
        """Returns how many tasks of this expected run time it may be given now (infinite: never run before)."""
        slots = self.free_slots()
        if self.open_bytes > MAX_AHEAD_BYTES:
            return slots
        spare_seconds = cover_seconds * self.max_concurrency - self.open_seconds
        ahead = int(spare_seconds / expected_seconds) if spare_seconds > 0 else 0
        return max(slots, min(ahead, MAX_QUEUE_AHEAD - self.open_tasks))

    def resize(self, max_concurrency: int) -> None:
        """Sets how many slots it has, at least one."""
        self.max_concurrency = max_concurrency
        if self.changes is not None:
            self.changes.abilities.add(self)

    # its load

    def give(self, expected_seconds: float) -> None:
        """Adds a task."""
        self.open_tasks += 1
        self.open_seconds += expected_seconds
        if self.changes is not None:
            self.changes.loads.add(self)

    def take_back(self, expected_seconds: float, input_bytes: int = 0) -> None:
        """Removes a task, with the size of its input if that was added."""
        self.open_tasks -= 1
        self.open_bytes -= input_bytes
        self.open_seconds = max(0.0, self.open_seconds - expected_seconds) if self.open_tasks else 0.0
        if self.changes is not None:
            self.changes.loads.add(self)

    def add_bytes(self, input_bytes: int) -> None:
        """Adds the size of an input."""
        self.open_bytes += input_bytes
        if self.changes is not None:
            self.changes.loads.add(self)

    def restore(self, open_tasks: int, open_seconds: float) -> None:
        """Sets its load to what it was before."""
        self.open_tasks, self.open_seconds = open_tasks, open_seconds
        if self.changes is not None:
            self.changes.loads.add(self)

    def use_probe(self, task_type: str) -> None:
        """Notes that it was given its probe of a type: it gets no other."""
        self.probes -= {task_type}
        self.barred |= {task_type}


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
    return AgentSlots(
        agent.id,
        tuple(agent.types),
        frozenset(agent.tags),
        agent.max_concurrency,
        known_types=agent.known_types,
        refused=getattr(agent, "refused", {}),
    )


def abilities_of(agent: AgentSlots) -> tuple[Any, ...]:
    """Returns what decides which types an agent may get: agents that have the same may get the same types."""
    known = None if agent.known_types is None else frozenset(agent.known_types)
    allowed = None if agent.allowed is None else tuple(agent.allowed)
    return agent.types, known, allowed, frozenset(agent.refused), agent.barred
