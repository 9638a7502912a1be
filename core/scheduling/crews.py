"""Keeps agents in the order in which they get tasks, so that nothing need look at all of them (pure).

A crew are the agents that may get the tasks of some lanes. Its free slots are kept and not summed, and its least
loaded agent is at the top of a heap; both follow the agents' changes (`AgentSlots.changes`) with `Crews.refresh`.
Lanes with the same agents share a crew, and agents that differ in their load or tags only are of one kind, which is
asked once whether a type suits it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_slots import AgentSlots, Changes, abilities_of
from taskyard.core.scheduling.crew import Crew, Kind, Member

LONGEST_COVER_SECONDS = 1.0  # who has more work than this for each slot has no room for more, whatever the cover
MAX_LANES_KNOWN = 10_000  # beyond, and beyond with as many kinds without an agent, everything is made anew
MAX_EMPTY_KINDS = 100

Alike = tuple[str, tuple[str, ...]]  # type and tags of a lane: all that agents see of it


class Crews:
    """The crews of all agents, made when a lane asks for one."""

    def __init__(self, agents: Iterable[AgentSlots] = ()) -> None:
        self._changes = Changes()
        self._kinds: dict[tuple[Any, ...], Kind] = {}
        self._members: dict[AgentSlots, Member] = {}  # those that accept work
        self._crews: dict[tuple[frozenset[Kind], tuple[str, ...]], Crew] = {}
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
            kind = self._kinds[abilities] = Kind(agent)
            self._introduce(kind)
        member = self._members[agent] = kind.members[agent] = Member(agent, kind, self._cover_seconds)
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

    def _make(self, kinds: set[Kind], requires: tuple[str, ...]) -> Crew:
        crew = self._crews[frozenset(kinds), requires] = Crew(kinds, requires)
        for kind in kinds:
            kind.crews.append(crew)
            for agent, member in kind.members.items():
                if not requires or agent.tags.issuperset(requires):
                    crew.add(member)
        return crew

    def _introduce(self, kind: Kind) -> None:
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
