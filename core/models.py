"""Defines the frozen values that the store makes from rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple, Self

from taskyard.core.states import CLAIMED, Priority, TaskState


@dataclass(frozen=True, slots=True)
class Task:
    """Holds one task's row."""

    id: str
    queue: str
    type: str
    title: str | None
    state: TaskState
    priority: Priority
    input: Any
    output: Any
    error: dict[str, Any] | None
    requires: tuple[str, ...]
    attempt: int
    refunded: int
    max_attempts: int
    timeout_seconds: float
    run_at: datetime | None
    ready_at: datetime
    idempotency_key: str | None
    workflow_id: str | None
    workflow_key: str | None  # among the tasks that were submitted with its workflow
    waiting_on: int
    creator_agent_id: str | None
    created_by: str
    assigned_agent_id: str | None
    progress: float | None
    progress_message: str | None
    checkpoint: Any
    suspension: dict[str, Any] | None  # what it waits for while suspended, or waited for last
    created_at: datetime
    assigned_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    scheduled_for: datetime | None = None  # the fire time for which a schedule submitted it
    predicted_seconds: float | None = None  # its median, as it was submitted, with the ends of the 80 % interval
    predicted_low: float | None = None
    predicted_high: float | None = None
    head_start: float | None = None  # in seconds, under the policy `learned`
    size: str | None = None  # of its input, see core.learning.keys
    hedged: int | None = None  # the number of its last second attempt
    hedge_agent_id: str | None = None  # who has that one, or had it when something else ended

    @property
    def second_agent_id(self) -> str | None:
        """Returns the agent that runs a second attempt beside the current one; None if none does."""
        is_current = self.state in CLAIMED and (self.hedged or 0) > self.attempt
        return self.hedge_agent_id if is_current else None

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        """Makes a task of the values of TASK_COLUMNS."""
        values = list(row)
        values[_STATE] = TaskState(values[_STATE])
        values[_PRIORITY] = Priority(values[_PRIORITY])
        values[_REQUIRES] = tuple(values[_REQUIRES] or ())
        return cls(*values)

    def is_ready(self, at: datetime) -> bool:
        """Returns True if it could start at that time: it is pending, or scheduled or suspended until a time before."""
        if self.state in (TaskState.SCHEDULED, TaskState.SUSPENDED):
            return self.run_at is not None and self.run_at <= at
        return self.state is TaskState.PENDING

    def as_json(self) -> dict[str, Any]:
        """Returns the task as JSON-able values: times in ISO 8601, the priority by its name."""
        values = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(self).items()}
        return {**values, "priority": self.priority.label, "requires": list(self.requires)}


# What statements select (core.postgres.store.task_columns) and `from_row` reads: the fields themselves.
TASK_COLUMNS = tuple(field.name for field in fields(Task))
_STATE, _PRIORITY, _REQUIRES = map(TASK_COLUMNS.index, ("state", "priority", "requires"))


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """An event of a task's history. The end of an attempt has its resource usage; None is unknown."""

    at: datetime
    event: str
    from_state: str | None
    to_state: str | None
    attempt: int | None
    actor: str
    agent_id: str | None
    detail: dict[str, Any] | None
    wait_seconds: float | None = None  # from ready to started
    run_seconds: float | None = None
    total_seconds: float | None = None  # from submitted to the task's end
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        return cls(*row)

    @property
    def usage(self) -> dict[str, float]:
        """Returns the known resource usage by name."""
        names = ("wait_seconds", "run_seconds", "total_seconds", "cpu_seconds", "peak_memory_bytes")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A log entry of an attempt: `level` is its log level, or the output stream; printed entries may have several
    lines.
    """

    at: datetime
    attempt: int | None
    level: str
    message: str
    agent_id: str | None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """An agent in PostgreSQL: one boot of one name."""

    id: str
    name: str
    boot_id: str
    kind: str
    host: str
    pid: int
    types: tuple[str, ...]
    tags: tuple[str, ...]
    max_concurrency: int
    state: str
    registered_at: datetime
    left_at: datetime | None
    known_types: Mapping[str, str] | None = None  # versions by name, None: it did not say
    agent_class: str = ""  # "module:Class" of a user's class; empty: the shipped one

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        values = list(row)
        values[6], values[7] = tuple(values[6]), tuple(values[7])
        return cls(*values)

    def as_json(self) -> dict[str, Any]:
        left = self.left_at.isoformat() if self.left_at else None
        return {**asdict(self), "registered_at": self.registered_at.isoformat(), "left_at": left}


MAX_LANE_LENGTH = 4_000  # characters of a lane's name: 32 tags of 64, a queue, a type


class Lane(NamedTuple):
    """The properties that an agent needs to take a task; separate lanes keep blocked tasks out of the others' way.

    A tuple, because it is hashed several times for every task.
    """

    queue: str
    type: str
    requires: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.queue}|{self.type}|{','.join(self.requires)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses the text form; none of the parts can contain a `|` or a comma. Raises ValueError for another text."""
        parts = text.split("|")
        if len(parts) != 3 or not parts[0] or not parts[1] or len(text) > MAX_LANE_LENGTH or not text.isprintable():
            raise ValueError("not as queue|type|tags")
        queue, type_, requires = parts
        return cls(queue, type_, tuple(requires.split(",")) if requires else ())


class Waiting(NamedTuple):
    """A waiting task, in the ready queue or until it is `due`. `ready` is in epoch seconds, `head_start` in seconds."""

    id: str
    lane: Lane
    priority: int
    ready: float
    is_due_later: bool
    head_start: float = 0.0

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        """Reads (id, state, queue, type, requires, priority, ready, head start); a suspended task has a time."""
        id_, state, queue, type_, requires, priority, ready, head_start = row[:8]
        lane = Lane(queue, type_, tuple(requires or ()))
        return cls(id_, lane, priority, ready, state in (TaskState.SCHEDULED, TaskState.SUSPENDED), head_start)
