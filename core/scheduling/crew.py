"""Keeps the agents that may get the tasks of some lanes in the order in which they get them (pure)."""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import heapify, heappop, heappush, heapreplace
from operator import attrgetter

from taskyard.core.scheduling.agent_slots import NONE, AgentSlots, abilities_of

_by_id = attrgetter("id")


class Crew:
    """The agents that may get the tasks of some lanes, all with the same tags.

    `slots` are the free ones of all agents; `with_room` may be given another task; both as of the last refresh.
    """

    def __init__(self, kinds: set[Kind], requires: tuple[str, ...]) -> None:
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

    def add(self, member: Member) -> None:
        agent = member.agent
        member.crews.append(self)
        self._size += 1
        self.most_slots = max(self.most_slots, agent.max_concurrency)
        if agent.probes:
            self.probing.add(agent)
        self.slots += member.free_slots
        if member.has_room:
            self._let_in(agent)

    def remove(self, member: Member) -> None:
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


class Kind:
    """Agents that may get the same types."""

    def __init__(self, agent: AgentSlots) -> None:
        types, known, self._allowed, refused, self._barred = abilities_of(agent)
        self._pattern = AgentSlots("", types, NONE, 1, known_types=known, refused=dict.fromkeys(refused, ""))
        self._pattern.allowed = self._allowed
        self.members: dict[AgentSlots, Member] = {}
        self.crews: list[Crew] = []

    def suits(self, task_type: str) -> bool:
        return task_type not in self._barred and self._pattern.can_run(task_type)


class Member:
    """An agent as its crews have counted it."""

    __slots__ = ("agent", "crews", "free_slots", "has_room", "kind")

    def __init__(self, agent: AgentSlots, kind: Kind, cover_seconds: float) -> None:
        self.agent = agent
        self.kind = kind
        self.crews: list[Crew] = []
        self.free_slots = agent.free_slots()
        self.has_room = agent.has_room(cover_seconds)
