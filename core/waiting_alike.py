"""Defines many waiting tasks as one value, where they differ in nothing but their ids (pure).

A value for each of them costs Python a microsecond, with what the garbage collector does about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from taskyard.core.models import Lane, Waiting


class WaitingAlike(NamedTuple):
    """Tasks in the ready queue that are alike; see Waiting."""

    lane: Lane
    priority: int
    ready: float
    head_start: float
    ids: Sequence[str]

    def each(self) -> list[Waiting]:
        """Returns them one by one."""
        return [Waiting(id_, self.lane, self.priority, self.ready, False, self.head_start) for id_ in self.ids]


def in_batches(groups: Iterable[WaitingAlike], most: int) -> Iterator[list[WaitingAlike]]:
    """Yields the same tasks in their order, `most` at a time."""
    batch: list[WaitingAlike] = []
    room = most
    for group in groups:
        start = 0
        while start < len(group.ids):
            part = group._replace(ids=group.ids[start : start + room])
            batch.append(part)
            start += len(part.ids)
            room -= len(part.ids)
            if not room:
                yield batch
                batch, room = [], most
    if batch:
        yield batch
