"""Defines an agent as the leader knows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from taskyard.core.protocol import AgentInfo, Heartbeat, Pair, usable_slots
from taskyard.core.scheduling.agent_slots import AgentSlots


@dataclass(slots=True, eq=False)
class KnownAgent:
    """An agent that registered or sent a heartbeat.

    `heartbeat_at` is when its last heartbeat was first seen, 0 before the first; `looked_at` when somebody looked for
    one last; `heard_at` is the first by the clock that stands while no roster is read (Recovery.watched_seconds);
    `unread_since` is when its inbox ended at `unread_tail`, which it has not read yet (None: it has read everything).
    All are monotonic seconds.
    """

    info: AgentInfo
    slots: AgentSlots
    heartbeat: Heartbeat | None = None
    heartbeat_at: float = 0.0
    looked_at: float = 0.0
    heard_at: float = 0.0
    held_before: frozenset[Pair] = frozenset()
    published_before: frozenset[Pair] = frozenset()
    tail_before: tuple[int, int] | None = None
    unread_since: float | None = None
    unread_tail: tuple[int, int] = (0, 0)
    refusals: dict[str, tuple[str, float]] = field(default_factory=dict)
    unstarted: Pair | None = None  # the first claim that it has a free slot for and has not started …
    unstarted_since: float = 0.0  # … and since when it is the first

    def let_in(self, *, is_held: bool) -> None:
        """Has it get tasks, as many as it has slots to use, unless it is held or drains."""
        is_draining = self.heartbeat is not None and self.heartbeat.draining
        accepts_work = not (is_held or is_draining) and self.usable_slots > 0
        if self.slots.accepts_work != accepts_work:
            self.slots.accepts_work = accepts_work
        if accepts_work and self.slots.max_concurrency != self.usable_slots:
            self.slots.resize(self.usable_slots)

    @property
    def usable_slots(self) -> int:
        """Returns how many attempts it can run at once now, as far as it has said."""
        if self.heartbeat is None:
            return 0 if self.info.awaits_hosts else self.info.max_concurrency
        return usable_slots(self.info.max_concurrency, self.heartbeat.seats)
