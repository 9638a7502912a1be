"""Decides which agents of a kind start and which leave, so that as many run as are wanted (pure)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from taskyard.core.i18n import Moment, TranslatableText, msg

MAX_AGENTS = 256  # of one kind on one host


@dataclass(frozen=True, slots=True)
class PoolSize:
    """How many agents of a kind somebody wants, instead of the number in the pool file."""

    kind: str
    count: int
    actor: str
    reason: str
    since: datetime

    @property
    def text(self) -> TranslatableText:
        """Returns who wants it, in one line."""
        since = Moment(self.since, f"{self.since:%Y-%m-%d %H:%M:%S %Z}")
        text = msg("{actor} wants {count} since {since}", actor=self.actor, count=self.count, since=since)
        return msg("{text}: {reason}", text=text, reason=self.reason) if self.reason else text


@dataclass(frozen=True, slots=True)
class SizeChange:
    """The numbers of agents to start, and of those that should finish what they run and leave."""

    start: Sequence[int] = ()
    leave: Sequence[int] = ()


def size_change(staying: Collection[int], leaving: Collection[int], wanted: int) -> SizeChange:
    """Returns how a kind gets from the agents with these numbers to `wanted` ones.

    The highest numbers leave first. The lowest free numbers start; that of an agent still leaving is not free, so that
    a growing pool never waits for one.
    """
    missing = wanted - len(staying)
    if missing <= 0:
        return SizeChange(leave=tuple(sorted(staying, reverse=True)[:-missing]))
    taken = {*staying, *leaving}
    free = (number for number in count(1) if number not in taken)
    return SizeChange(start=tuple(next(free) for _ in range(missing)))
