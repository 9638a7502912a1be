"""Reads wake-ups: what submitters say to the dispatcher once they have added something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from taskyard.core.ids import is_id
from taskyard.core.models import Lane
from taskyard.core.scheduling.placement import MAX_SCORE


class Wake(NamedTuple):
    """A wake-up by the stream's `entry`: something was added to a lane, or to the due tasks (None).

    `head` is the id and score of what was added, if it was one task.
    """

    entry: bytes
    lane: Lane | None
    head: tuple[bytes, bytes] | None = None


def woken(entry: bytes, fields: Sequence[bytes]) -> Wake:
    """Returns the wake-up of an entry with these fields (name, value …); raises ValueError for an invalid one."""
    name, head = fields[1].decode(), fields[3::2]
    lane = Lane.parse(name) if name else None
    if len(head) != 2:
        return Wake(entry, lane)
    if not is_id(head[0].decode()) or not -MAX_SCORE < float(head[1]) < MAX_SCORE:
        raise ValueError("it names no task, or no time")
    return Wake(entry, lane, (head[0], head[1]))
