"""Defines the states of a task, its priorities, and the one table of legal transitions."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class TaskState(StrEnum):
    """The state of a task; TRANSITIONS defines what may follow."""

    BLOCKED = "blocked"  # waits for other tasks
    SCHEDULED = "scheduled"  # due later: delayed, or backing off before another attempt
    PENDING = "pending"  # in the ready queue
    ASSIGNED = "assigned"  # assigned to an agent
    IN_PROGRESS = "in_progress"  # reported as running by an agent
    SUSPENDED = "suspended"  # its handler gave the slot back until a time, a signal, or its children's ends
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED})
CLAIMED = frozenset({TaskState.ASSIGNED, TaskState.IN_PROGRESS})
WAITING = frozenset({TaskState.BLOCKED, TaskState.SCHEDULED, TaskState.PENDING})

# A fast task's start and end are known together, so `assigned` may end without passing `in_progress`.
TRANSITIONS: dict[TaskState, frozenset[TaskState]] = {
    TaskState.BLOCKED: frozenset({TaskState.PENDING, TaskState.SCHEDULED, TaskState.FAILED, TaskState.CANCELLED}),
    # Back to blocked: by the retry of a task that it was to start after.
    TaskState.SCHEDULED: frozenset({TaskState.BLOCKED, TaskState.ASSIGNED, TaskState.CANCELLED}),
    TaskState.PENDING: frozenset({TaskState.BLOCKED, TaskState.ASSIGNED, TaskState.CANCELLED}),
    TaskState.ASSIGNED: frozenset(
        {
            TaskState.IN_PROGRESS,
            TaskState.PENDING,
            TaskState.SCHEDULED,
            TaskState.SUSPENDED,
            TaskState.COMPLETED,
            TaskState.FAILED,
            TaskState.CANCELLED,
        }
    ),
    TaskState.IN_PROGRESS: frozenset(
        {
            TaskState.PENDING,
            TaskState.SCHEDULED,
            TaskState.SUSPENDED,
            TaskState.COMPLETED,
            TaskState.FAILED,
            TaskState.CANCELLED,
        }
    ),
    TaskState.SUSPENDED: frozenset({TaskState.PENDING, TaskState.ASSIGNED, TaskState.CANCELLED}),
    # From an end: by somebody's retry. Blocked: with tasks that it waits for; scheduled: for the time it was set for.
    TaskState.COMPLETED: frozenset({TaskState.BLOCKED}),
    TaskState.FAILED: frozenset({TaskState.PENDING, TaskState.BLOCKED}),
    TaskState.CANCELLED: frozenset({TaskState.PENDING, TaskState.SCHEDULED, TaskState.BLOCKED}),
}

# What users may do to a task, by its state. One that has ended goes on only if somebody retries it.
CANCELLABLE = frozenset(state for state in TaskState if TaskState.CANCELLED in TRANSITIONS[state])
RETRYABLE_STATES = frozenset({TaskState.FAILED, TaskState.CANCELLED})  # completed ones only below one of these
REPRIORITISABLE = WAITING


def is_legal(from_state: TaskState | None, to_state: TaskState) -> bool:
    """Returns True if a task may go from one state to another; `None` stands for a task being created."""
    if from_state is None:
        return to_state in WAITING
    return to_state in TRANSITIONS[from_state]


class Priority(IntEnum):
    """The urgency of a task; a higher one is placed first."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    URGENT = 3

    @property
    def label(self) -> str:
        return self.name.lower()


# Seconds that a priority is moved ahead in its lane: strict enough for operators,
# and an old low-priority task still overtakes a new high one in the end.
HEAD_START_SECONDS: dict[Priority, float] = {
    Priority.LOW: -60.0,
    Priority.MEDIUM: 0.0,
    Priority.HIGH: 600.0,
    Priority.URGENT: 3600.0,
}
