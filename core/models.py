"""Defines the frozen values that the store makes from rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple, Self

import msgspec

from taskyard.core.edges import Condition
from taskyard.core.learning.prediction import Predicted
from taskyard.core.payload.same_call import Call
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


class Given(NamedTuple):
    """What the caller of a submission gave, where the type has something of its own, too."""

    requires: tuple[str, ...]
    has_timeout: bool
    has_max_attempts: bool


class Submission(msgspec.Struct, gc=False):  # a dataclass takes twice as long to make, and a garbage collection to keep
    """A validated task with an id that is not stored yet.

    `input_json` is compact JSON text; `requires` unites the tags of the submission with those of its type; it is
    due at `run_at` (aware UTC) or `delay_seconds` after it is stored, by the database's clock, or at once.
    """

    id: str
    type: str
    queue: str
    title: str | None
    priority: int
    input_json: str
    requires: tuple[str, ...]
    timeout_seconds: float
    max_attempts: int
    run_at: datetime | None
    delay_seconds: float | None
    idempotency_key: str | None
    created_by: str
    creator_agent_id: str | None
    parent_id: str | None
    after: tuple[str, ...]
    when: Condition = Condition.COMPLETED  # the end of `after` that it waits for
    pending_limit: int = 0  # of its creator
    given: Given | None = None  # where there is an idempotency key
    scheduled_for: datetime | None = None  # the fire time for which a schedule submits it
    size: str | None = None  # of its input, as run times are predicted by it
    predicted: Predicted | None = None

    @property
    def call(self) -> Call | None:
        """Returns what the caller gave; None without an idempotency key."""
        if self.given is None:
            return None
        return Call(
            self.type,
            self.input_json,
            self.queue,
            self.title,
            self.priority,
            self.given.requires,
            self.timeout_seconds if self.given.has_timeout else None,
            self.max_attempts if self.given.has_max_attempts else None,
            self.delay_seconds,
            self.run_at,
            self.parent_id,
            self.after,
            self.when,
        )

    @property
    def head_start(self) -> float:
        """Returns its head start in seconds."""
        return 0.0 if self.predicted is None else self.predicted.head_start

    def size_bytes(self) -> int:
        """Returns the approximate memory of its input in bytes."""
        return len(self.input_json)
