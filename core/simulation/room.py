"""Keeps which simulated agents have a free slot, by how loaded they are (pure).

Sets of agents are the bits of one integer each, agents in the order of their ids: a set that a task's lane allows is
intersected with those that have room in one operation, whatever their number.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.simulation.workload import Agent


class Room:
    """The free slots of agents. `here` are the agents that may be given tasks now: present, and not held."""

    def __init__(self, agents: Sequence[Agent]) -> None:
        self.here = 0
        self._busy = [0] * len(agents)
        sizes = {agent.slots.max_concurrency for agent in agents}
        loads = sorted({busy / size for size in sizes for busy in range(size)})
        places = {load: place for place, load in enumerate(loads)}
        full = len(loads)
        of_size = {size: [*(places[busy / size] for busy in range(size)), full] for size in sizes}
        self._places = [of_size[agent.slots.max_concurrency] for agent in agents]
        self._levels = [0] * (full + 1)  # agents by load, the least loaded first; the last ones are full
        for number in range(len(agents)):
            self._levels[0] |= 1 << number
        self._full = full

    def least_loaded(self, among: int) -> int:
        """Returns the agent that has the fewest tasks for its slots, of several the first; -1 if all are full."""
        among &= self.here
        for level in range(self._full):
            found = self._levels[level] & among
            if found:
                return (found & -found).bit_length() - 1
        return -1

    def in_turn(self, among: int, turn: int) -> int:
        """Returns the agent whose turn it is of those with a free slot, by their order; -1 if all are full."""
        found = among & self.here & ~self._levels[self._full]
        if not found:
            return -1
        for _ in range(turn % found.bit_count()):
            found &= found - 1
        return (found & -found).bit_length() - 1

    def free(self, among: int, limit: int) -> list[int]:
        """Returns the first agents with a free slot, by their load, then in their order."""
        free: list[int] = []
        among &= self.here
        for level in range(self._full):
            found = self._levels[level] & among
            while found and len(free) < limit:
                free.append((found & -found).bit_length() - 1)
                found &= found - 1
        return free

    def take(self, agent: int) -> None:
        """Counts a task against an agent's slots."""
        self._move(agent, 1)

    def give_back(self, agent: int) -> None:
        """Frees a slot of an agent."""
        self._move(agent, -1)

    def _move(self, agent: int, by: int) -> None:
        busy, bit, places = self._busy[agent], 1 << agent, self._places[agent]
        before, after = places[busy], places[busy + by]
        self._busy[agent] = busy + by
        self._levels[before] ^= bit
        self._levels[after] ^= bit
