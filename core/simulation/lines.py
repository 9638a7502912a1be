"""Keeps waiting tasks in order, each line for the tasks that the same agents may take (pure)."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush

Entry = tuple[float, int]  # score, place in the workload


class Line:
    """Waiting tasks of one queue that the same agents (bits) may take, the lowest score first.

    `paused_type` is their type if that was paused some time, else empty: types that never were share a line. The first
    `near_limit` tasks are in order in `near`, all others in a heap.
    """

    __slots__ = ("_arrived", "_far", "_near_limit", "agents", "held", "near", "paused_type", "queue")

    def __init__(self, queue: str, agents: int, paused_type: str, near_limit: int) -> None:
        self.queue = queue
        self.agents = agents
        self.paused_type = paused_type
        self.held = 0  # by how many pauses
        self.near: list[Entry] = []
        self._far: list[Entry] = []
        self._near_limit = near_limit
        self._arrived: deque[int] = deque()

    def add(self, score: float, task: int) -> None:
        """Adds a task, which arrived after all others."""
        self._arrived.append(task)
        near = self.near
        if len(near) < self._near_limit:
            insort(near, (score, task))
        elif score < near[-1][0]:
            heappush(self._far, near.pop())
            insort(near, (score, task))
        else:
            heappush(self._far, (score, task))

    def take(self, place: int) -> int:
        """Removes the task at a place of `near`, and returns it."""
        near = self.near
        task = near.pop(place)[1]
        if self._far:
            near.append(heappop(self._far))
        return task

    def first_arrived(self, is_started: bytearray) -> int:
        """Returns the task that has waited longest; -1 if none waits."""
        arrived = self._arrived
        while arrived and is_started[arrived[0]]:
            arrived.popleft()
        return arrived[0] if arrived else -1


def take_first(lines: Sequence[Line]) -> int:
    """Takes the task with the lowest score from lines, none of which is empty."""
    first = lines[0]
    for line in lines:
        if line.near[0] < first.near[0]:
            first = line
    return first.take(0)
