"""The table of transitions, as a whole."""

from __future__ import annotations

from itertools import pairwise

import pytest

from taskyard.core.states import (
    CANCELLABLE,
    CLAIMED,
    HEAD_START_SECONDS,
    REPRIORITISABLE,
    RETRYABLE_STATES,
    TERMINAL,
    TRANSITIONS,
    WAITING,
    Priority,
    TaskState,
    is_legal,
)

# Written out a second time on purpose: a change of the table must be made twice.
LEGAL = {
    "blocked": "pending scheduled failed cancelled",
    "scheduled": "blocked assigned cancelled",
    "pending": "blocked assigned cancelled",
    "assigned": "in_progress pending scheduled suspended completed failed cancelled",
    "in_progress": "pending scheduled suspended completed failed cancelled",
    "suspended": "pending assigned cancelled",
    "completed": "blocked",
    "failed": "pending blocked",
    "cancelled": "pending scheduled blocked",
}


@pytest.mark.parametrize("source", TaskState)
@pytest.mark.parametrize("target", TaskState)
def test_every_pair(source: TaskState, target: TaskState) -> None:
    assert is_legal(source, target) == (target in LEGAL[source].split())


@pytest.mark.parametrize("target", TaskState)
def test_a_new_task_waits(target: TaskState) -> None:
    assert is_legal(None, target) == (target in {"blocked", "scheduled", "pending"})


def test_every_state_is_in_one_group() -> None:
    groups = [TERMINAL, CLAIMED, WAITING, {TaskState.SUSPENDED}]
    assert sorted(state for group in groups for state in group) == sorted(TaskState)
    assert set(TRANSITIONS) == set(TaskState)


@pytest.mark.parametrize("state", sorted(set(TaskState) - TERMINAL))
def test_an_open_task_can_be_cancelled(state: TaskState) -> None:
    assert TaskState.CANCELLED in TRANSITIONS[state]


def test_what_users_may_do_follows_from_the_table() -> None:
    assert {"blocked", "scheduled", "pending", "assigned", "in_progress", "suspended"} == CANCELLABLE
    assert {"failed", "cancelled"} == RETRYABLE_STATES
    assert {"blocked", "scheduled", "pending"} == REPRIORITISABLE


def test_priorities_are_ordered_and_labelled() -> None:
    assert [priority.label for priority in sorted(Priority)] == ["low", "medium", "high", "urgent"]
    starts = [HEAD_START_SECONDS[priority] for priority in sorted(Priority)]
    assert all(lower < higher for lower, higher in pairwise(starts))
    assert HEAD_START_SECONDS[Priority.MEDIUM] == 0
