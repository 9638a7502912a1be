"""Decides where a second attempt beside a straggler may run (pure).

The first of both to end counts (Dean, Barroso: The Tail at Scale, CACM 56(2), 2013). Second attempts take idle slots
only, and few of them: where everything is late at once, they would make it later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from taskyard.core.i18n import N_
from taskyard.core.ids import agent_name_of
from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_slots import AgentSlots

LATE_SHARE = 0.95  # of the run times that were predicted: an attempt that runs longer than these is a straggler
MIN_RUNS = 20  # known run times of the type, creator and size: fewer say nothing of a twentieth
MIN_RUN_SECONDS = 1.0  # shorter tasks end before anybody has looked
MAX_SLOTS_SHARE = 0.1  # of all slots, that second attempts take; one at least
# Why a second attempt no longer counts; the first two are said by the statement that records it.
ENDED_BESIDE = N_("the attempt beside it has ended")
TASK_CANCELLED = N_("its task was cancelled")
OVERDUE = N_("its agent did not report its end in time")
UNHELD = N_("its agent does not have it")
LOST = N_("its agent was lost")
HANDED_BACK = N_("its agent handed it back")
SUSPENDS = N_("it suspends its task, which only the attempt beside it may do")
DROPS = (ENDED_BESIDE, TASK_CANCELLED, OVERDUE, UNHELD, LOST, HANDED_BACK, SUSPENDS)
_FAILED = re.compile(r"it failed \((\w+)\): (.*)", re.DOTALL)


class Straggler(NamedTuple):
    """An attempt that has run for longer than `late_seconds`, which its prediction held for 95 % sure."""

    id: str
    attempt: int
    lane: Lane
    late_seconds: float


class Chosen(NamedTuple):
    """A second attempt to begin, and the agent that is charged with its expected run time in seconds."""

    straggler: Straggler
    agent: AgentSlots
    expected_seconds: float


def failed_reason(error_class: str, message: str) -> str:
    """Returns why a second attempt no longer counts that failed."""
    return f"it failed ({error_class}): {message}"


def failure_in(reason: str) -> tuple[str, str] | None:
    """Returns the class of error and the message in such a reason; None for all others."""
    found = _FAILED.fullmatch(reason)
    return None if found is None else (found[1], found[2])


def room(slots: int, hedges: int) -> int:
    """Returns how many second attempts may begin, of `slots` in total, while `hedges` run."""
    return max(0, max(1, int(slots * MAX_SLOTS_SHARE)) - hedges)


def agent_for(lane: Lane, beside: str, beside_host: str, agents: Iterable[tuple[AgentSlots, str]]) -> AgentSlots | None:
    """Returns the agent, of these with their hosts, that is to have a second attempt; None if none can.

    It has an idle slot and another name than the agent `beside`. One on another host comes first, since what holds an
    attempt up is often its host, and then the one with the most idle slots.
    """
    name = agent_name_of(beside)
    able = [
        (host != beside_host, slots.free_slots(), slots)
        for slots, host in agents
        if agent_name_of(slots.id) != name and slots.free_slots() > 0 and slots.is_let_in(lane)
    ]
    return max(able, key=lambda one: one[:2])[2] if able else None
