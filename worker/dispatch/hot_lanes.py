"""Holds the lanes that may have something to claim, so that a tick looks at as many of them as it can serve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from taskyard.core.models import Lane
from taskyard.core.scheduling.crews import Alike
from taskyard.core.scheduling.holds import Holds

MAX_LANES = 1_000  # in one tick
SPARE_QUEUES = 20  # looked at beyond as many as there is room for: not every hot lane has something
LEAST_READ = 200  # tasks of the lanes of a group that are looked at, if there is room for so many …
LEAST_OF_LANE = 4  # … and of each of them


class HotLanes:
    """Hot lanes. Those that suit the same agents are one group, in which those served last come last.

    Held lanes stay, and nobody looks at them.
    """

    def __init__(self) -> None:
        self._groups: dict[Alike, dict[str, Lane]] = {}  # by queue
        self._queues: dict[str, dict[Alike, Lane]] = {}
        self._held: set[Lane] = set()
        self._holds = Holds()
        self._turn = 0

    def __contains__(self, lane: object) -> bool:
        return isinstance(lane, Lane) and (lane[1:] in self._queues.get(lane.queue, ()) or lane in self._held)

    def __iter__(self) -> Iterator[Lane]:
        for queue in self._queues.values():
            yield from queue.values()
        yield from self._held

    def __len__(self) -> int:
        return sum(map(len, self._queues.values())) + len(self._held)

    def add(self, lane: Lane) -> None:
        """Adds a lane, as the last one of its group."""
        alike = lane[1:]
        queue = self._queues.get(lane.queue)
        if queue is not None and alike in queue:
            return
        if self._holds.of_lane(lane) is not None:
            self._held.add(lane)
            return
        if queue is None:
            queue = self._queues[lane.queue] = {}
        queue[alike] = lane
        group = self._groups.get(alike)
        if group is None:
            group = self._groups[alike] = {}
        group[lane.queue] = lane

    def update(self, lanes: Iterable[Lane]) -> None:
        """Adds some lanes."""
        for lane in lanes:
            self.add(lane)

    def discard(self, lane: Lane) -> None:
        """Removes a lane: nothing waits there."""
        alike = lane[1:]
        queue = self._queues.get(lane.queue)
        if queue is None or queue.pop(alike, None) is None:
            self._held.discard(lane)
            return
        if not queue:
            del self._queues[lane.queue]
        group = self._groups[alike]
        del group[lane.queue]
        if not group:
            del self._groups[alike]

    def note_served(self, lanes: Iterable[Lane]) -> None:
        """Makes lanes the last ones of their groups: something of each was placed."""
        for lane in lanes:
            group = self._groups.get(lane[1:])
            if group is not None and (found := group.pop(lane.queue, None)) is not None:
                group[lane.queue] = found

    def hold(self, holds: Holds) -> None:
        """Sets the holds in force."""
        lanes = list(self)
        self._groups.clear()
        self._queues.clear()
        self._held.clear()
        self._holds = holds
        self.update(lanes)

    def has_room(self, room_for: Callable[[Lane], int]) -> bool:
        """Returns True if a task of any lane that is not held could be placed now."""
        return any(room_for(_any(group)) > 0 for group in self._groups.values())

    def wanted(self, room_for: Callable[[Lane], int]) -> dict[Lane, int]:
        """Returns how many tasks to read of which lanes, all of a queue together; queues take turns.

        `room_for` returns how many tasks of a lane could be placed now, whatever its queue.
        """
        rooms = [(alike, room) for alike, group in self._groups.items() if (room := room_for(_any(group))) > 0]
        if not rooms:
            return {}
        start, self._turn = self._turn % len(rooms), self._turn + 1
        most = max(1, MAX_LANES // len(rooms))
        reads: dict[Alike, int] = {}
        queues: dict[str, None] = {}
        for number, (alike, room) in enumerate(rooms[start:] + rooms[:start]):
            if len(queues) >= MAX_LANES:
                self._turn = start + number  # the others come first the next time
                break
            group = self._groups[alike]
            looked_at = min(len(group), room + SPARE_QUEUES, most)
            reads[alike] = _share(room, looked_at)
            queues.update(dict.fromkeys(islice(group, looked_at)))
        return self._lanes_of(queues, reads)

    def _lanes_of(self, queues: Iterable[str], reads: Mapping[Alike, int]) -> dict[Lane, int]:
        found: dict[Lane, int] = {}
        for queue in queues:
            for alike, lane in self._queues[queue].items():
                if alike in reads:
                    found[lane] = reads[alike]
            if len(found) >= MAX_LANES:
                break
        return found


def _any(group: Mapping[str, Lane]) -> Lane:
    return next(iter(group.values()))


def _share(room: int, queues: int) -> int:
    """Returns how many tasks to read of each queue: twice its share, for the case that others have fewer."""
    return min(room, max(LEAST_OF_LANE, -(-max(LEAST_READ, 2 * room) // queues)))
