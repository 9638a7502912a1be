"""Keeps agents in the order in which they get tasks, so that nothing need look at all of them (pure).

A crew are the agents that may get the tasks of some lanes. Its free slots are kept and not summed, and its least
loaded agent is at the top of a heap; both follow the agents' changes (`AgentSlots.changes`) with `Crews.refresh`.
Lanes with the same agents share a crew, and agents that differ in their load or tags only are of one kind, which is
asked once whether a type suits it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from heapq import heapify, heappop, heappush, heapreplace
from operator import attrgetter
from typing import Any

from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_slots import NONE, AgentSlots, Changes, abilities_of

LONGEST_COVER_SECONDS = 1.0  # who has more work than this for each slot has no room for more, whatever the cover
MAX_LANES_KNOWN = 10_000  # beyond, and beyond with as many kinds without an agent, everything is made anew
MAX_EMPTY_KINDS = 100

Alike = tuple[str, tuple[str, ...]]  # type and tags of a lane: all that agents see of it
_by_id = attrgetter("id")


class Crew:
    """The agents that may get the tasks of some lanes, all with the same tags.

    `slots` are the free ones of all agents; `with_room` may be given another task; both as of the last refresh.
    """

    def __init__(self, kinds: set[_Kind], requires: tuple[str, ...]) -> None:
        self.kinds = kinds
        self.requires = requires
        self.types: set[str] = set()  # of its lanes
        self.slots = 0
        self.most_slots = 0  # of one agent, free or not
        self.with_room: set[AgentSlots] = set()
        self.probing: set[AgentSlots] = set()
        self._size = 0
        # Agents by load. An entry stands for its agent as long as it has the load in `_entered`.
        self._heap: list[tuple[float, str, AgentSlots]] = []
        self._entered: dict[AgentSlots, float] = {}
        self._in_order: list[AgentSlots] | None = None  # those with room, by id; None: nobody has asked

    def add(self, member: _Member) -> None:
        agent = member.agent
        member.crews.append(self)
        self._size += 1
        self.most_slots = max(self.most_slots, agent.max_concurrency)
        if agent.probes:
            self.probing.add(agent)
        self.slots += member.free_slots
        if member.has_room:
            self._let_in(agent)

    def remove(self, member: _Member) -> None:
        self._size -= 1
        self.probing.discard(member.agent)
        self.slots -= member.free_slots
        if member.has_room:
            self._leave_out(member.agent)

    def note(self, agent: AgentSlots, more_slots: int, had_room: bool, has_room: bool) -> None:
        """Takes an agent's change since the last refresh."""
        self.slots += more_slots
        if has_room and not had_room:
            self._let_in(agent)
        elif had_room and not has_room:
            self._leave_out(agent)
        elif has_room:
            self._enter(agent)

    def room(self, task_type: str, expected_seconds: float, cover_seconds: float, limit: int) -> int:
        """Returns how many tasks of a type its agents may be given now, at most `limit`."""
        probing = [agent for agent in self.probing if task_type in agent.probes]
        if not probing:
            if self.slots >= limit:
                return limit
            if expected_seconds > cover_seconds * self.most_slots:
                return self.slots  # nobody gets more of it than it can run at once
        found = 0
        for agent in self.with_room:
            free = agent.free(expected_seconds, cover_seconds)
            found += min(free, 1) if task_type in agent.probes else free
            if found >= limit:
                return limit
        return found

    def least_loaded(self) -> AgentSlots | None:
        """Returns the agent with room that has the fewest tasks for its slots; of several the first by id."""
        heap, entered = self._heap, self._entered
        while heap:
            load, _, agent = heap[0]
            if entered.get(agent) != load:
                heappop(heap)  # another entry stands for it
                continue
            now = agent.open_tasks / agent.max_concurrency
            if now == load:
                return agent
            heapreplace(heap, (now, agent.id, agent))
            entered[agent] = now
        return None

    def in_order(self) -> list[AgentSlots]:
        """Returns the agents with room by id. It is not the caller's to change."""
        if self._in_order is None:
            self._in_order = sorted(self.with_room, key=_by_id)
        return self._in_order

    def _let_in(self, agent: AgentSlots) -> None:
        self.with_room.add(agent)
        if self._in_order is not None:
            insort(self._in_order, agent, key=_by_id)
        self._enter(agent)

    def _leave_out(self, agent: AgentSlots) -> None:
        self.with_room.discard(agent)
        self._entered.pop(agent, None)
        if self._in_order is not None:
            del self._in_order[bisect_left(self._in_order, agent.id, key=_by_id)]

    def _enter(self, agent: AgentSlots) -> None:
        load = agent.open_tasks / agent.max_concurrency
        if self._entered.get(agent) == load:
            return
        self._entered[agent] = load
        heappush(self._heap, (load, agent.id, agent))
        if len(self._heap) > 2 * self._size + 64:
            self._heap = [(load, agent.id, agent) for agent, load in self._entered.items()]
            heapify(self._heap)


class _Kind:
    """Agents that may get the same types."""

    def __init__(self, agent: AgentSlots) -> None:
        types, known, self._allowed, refused, self._barred = abilities_of(agent)
        self._pattern = AgentSlots("", types, NONE, 1, known_types=known, refused=dict.fromkeys(refused, ""))
        self._pattern.allowed = self._allowed
        self.members: dict[AgentSlots, _Member] = {}
        self.crews: list[Crew] = []

    def suits(self, task_type: str) -> bool:
        return task_type not in self._barred and self._pattern.can_run(task_type)


class _Member:
    """An agent as its crews have counted it."""

    __slots__ = ("agent", "crews", "free_slots", "has_room", "kind")

    def __init__(self, agent: AgentSlots, kind: _Kind, cover_seconds: float) -> None:
        self.agent = agent
        self.kind = kind
        self.crews: list[Crew] = []
        self.free_slots = agent.free_slots()
        self.has_room = agent.has_room(cover_seconds)


class Crews:
    """The crews of all agents, made when a lane asks for one."""

    def __init__(self, agents: Iterable[AgentSlots] = ()) -> None:
        self._changes = Changes()
        self._kinds: dict[tuple[Any, ...], _Kind] = {}
        self._members: dict[AgentSlots, _Member] = {}  # those that accept work
        self._crews: dict[tuple[frozenset[_Kind], tuple[str, ...]], Crew] = {}
        self._of_lanes: dict[Alike, Crew] = {}
        self._borderline: set[AgentSlots] = set()  # whether they have room depends on the cover
        self._cover_seconds = 0.0
        for agent in agents:
            self.add(agent)

    def add(self, agent: AgentSlots) -> None:
        """Follows an agent from now on."""
        agent.changes = self._changes
        self._changes.abilities.add(agent)

    def remove(self, agent: AgentSlots) -> None:
        """Follows an agent no more."""
        agent.changes = None
        self._changes.abilities.discard(agent)
        self._changes.loads.discard(agent)
        self._dismiss(agent)

    def refresh(self, cover_seconds: float) -> None:
        """Takes all changes since the last time.

        `cover_seconds` (see AgentSlots.has_room) is at most LONGEST_COVER_SECONDS.
        """
        changed = self._changes.loads
        if cover_seconds != self._cover_seconds:
            self._cover_seconds = cover_seconds
            changed |= self._borderline
        for agent in changed:
            self._follow(agent)
        changed.clear()
        self.regroup()

    def regroup(self) -> None:
        """Takes all changes of abilities since the last time."""
        if len(self._of_lanes) > MAX_LANES_KNOWN or len(self._kinds) > 2 * len(self._members) + MAX_EMPTY_KINDS:
            self._forget()
        while self._changes.abilities:
            agent = self._changes.abilities.pop()
            self._dismiss(agent)
            if agent.accepts_work:
                self._engage(agent)

    def of(self, lane: Lane) -> Crew:
        """Returns the crew of a lane."""
        return self._of_lanes.get(lane[1:]) or self._crew_for(lane.type, lane.requires)

    def note_full(self, agent: AgentSlots) -> None:
        """Takes at once that an agent has no room any more."""
        self._follow(agent)

    # its members

    def _follow(self, agent: AgentSlots) -> None:
        member = self._members.get(agent)
        if member is None:
            return
        free_slots, has_room = agent.free_slots(), agent.has_room(self._cover_seconds)
        more_slots, had_room = free_slots - member.free_slots, member.has_room
        member.free_slots, member.has_room = free_slots, has_room
        for crew in member.crews:
            crew.note(agent, more_slots, had_room, has_room)
        self._note_borderline(agent)

    def _note_borderline(self, agent: AgentSlots) -> None:
        if agent.free_slots() or agent.open_seconds > LONGEST_COVER_SECONDS * agent.max_concurrency:
            self._borderline.discard(agent)
        else:
            self._borderline.add(agent)

    def _dismiss(self, agent: AgentSlots) -> None:
        member = self._members.pop(agent, None)
        self._borderline.discard(agent)
        if member is not None:
            del member.kind.members[agent]
            for crew in member.crews:
                crew.remove(member)

    def _engage(self, agent: AgentSlots) -> None:
        abilities = abilities_of(agent)
        kind = self._kinds.get(abilities)
        if kind is None:
            kind = self._kinds[abilities] = _Kind(agent)
            self._introduce(kind)
        member = self._members[agent] = kind.members[agent] = _Member(agent, kind, self._cover_seconds)
        self._note_borderline(agent)
        for crew in kind.crews:
            if agent.tags.issuperset(crew.requires):
                crew.add(member)

    # its crews

    def _crew_for(self, task_type: str, requires: tuple[str, ...]) -> Crew:
        kinds = {kind for kind in self._kinds.values() if kind.suits(task_type)}
        crew = self._crews.get((frozenset(kinds), requires)) or self._make(kinds, requires)
        crew.types.add(task_type)
        self._of_lanes[task_type, requires] = crew
        return crew

    def _make(self, kinds: set[_Kind], requires: tuple[str, ...]) -> Crew:
        crew = self._crews[frozenset(kinds), requires] = Crew(kinds, requires)
        for kind in kinds:
            kind.crews.append(crew)
            for agent, member in kind.members.items():
                if not requires or agent.tags.issuperset(requires):
                    crew.add(member)
        return crew

    def _introduce(self, kind: _Kind) -> None:
        """Adds a new kind to the crews whose types suit it; a crew with others of its types is divided."""
        for crew in list(self._crews.values()):
            suiting = {task_type for task_type in crew.types if kind.suits(task_type)}
            if not suiting:
                continue
            if len(suiting) == len(crew.types):
                del self._crews[frozenset(crew.kinds), crew.requires]
                crew.kinds.add(kind)
                kind.crews.append(crew)
                self._crews[frozenset(crew.kinds), crew.requires] = crew
                continue
            crew.types -= suiting
            twin = self._make({*crew.kinds, kind}, crew.requires)
            twin.types |= suiting
            for task_type in suiting:
                self._of_lanes[task_type, crew.requires] = twin

    def _forget(self) -> None:
        self._of_lanes.clear()
        self._crews.clear()
        self._kinds = {abilities: kind for abilities, kind in self._kinds.items() if kind.members}
        for kind in self._kinds.values():
            kind.crews.clear()
        for member in self._members.values():
            member.crews.clear()
