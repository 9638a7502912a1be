"""Every error that Taskyard raises on purpose.

TaskyardError
├── ConfigurationError      settings, pool file or task modules; lists every problem
├── Unavailable             PostgreSQL, Redis or the API can't be reached (try again later)
│   └── Busy                what is needed is in use (try again later)
├── LeadershipLost          another worker leads, or this one can't know whether it still does
├── SubmissionError         bad input to an operation; names field, value and what was expected
│   ├── UnknownTaskType
│   └── IdempotencyConflict the key was used before with different content
├── NotPermitted            who asks may not do this; says what would let them
├── TaskNotFound
│   └── WorkflowNotFound
├── ItemNotFound            nothing of this id is in quarantine
├── IllegalTransition       e.g. a retry of a running task
└── HandlerError            raised by or for a running task; carries its ErrorClass
    ├── TransientError      worth another attempt
    │   └── RetryAfter      worth one after a time that somebody named
    ├── PermanentError      not worth another attempt
    ├── ResourceLimitError  a limit on CPU, memory, processes or output was hit
    ├── InvalidInputError   the stored input does not fit the type's input model
    ├── InvalidOutputError  the returned value does not fit the type's output model
    ├── TaskTimeout         the attempt ran longer than its timeout
    ├── HandlerCrashed      the handler's process died
    └── TaskCancelled       the task was cancelled while it ran
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import Enum, StrEnum
from typing import Any

from taskyard.core.i18n import N_, listed, msg

MAX_NAMED_TYPES, NEAREST_TYPES = 200, 10  # of all types, in the error for an unknown one


class ErrorClass(StrEnum):
    """Why an attempt failed. `core.scheduling.retry` defines which classes are retried."""

    TIMEOUT = "timeout"
    CRASHED = "crashed"
    INVALID_INPUT = "invalid_input"
    INVALID_OUTPUT = "invalid_output"
    RESOURCE_LIMIT = "resource_limit"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    CANCELLED = "cancelled"
    AGENT_LOST = "agent_lost"
    UNSTORABLE = "unstorable"
    UNPROCESSABLE = "unprocessable"


class TaskyardError(Exception):
    """The base of all our errors. Its text is one line that can be shown to a user.

    They can be pickled, since pools of processes send them to their parents: `__init__` is not called again.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (type(self), self.args, self.__dict__)

    @property
    def text(self) -> str:
        """Returns the original text: a `TranslatableText` can be shown in the reader's language."""
        return self.args[0] if self.args and isinstance(self.args[0], str) else str(self)


def restored(kind: type[TaskyardError], args: tuple[Any, ...], fields: dict[str, Any]) -> TaskyardError:
    """Returns an error as another process raised it: its class, its `args` and its attributes."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(fields)
    return error


class ConfigurationError(TaskyardError):
    """Raised for an invalid configuration; `problems` holds one line for each problem."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__(listed(self.problems))


class Unavailable(TaskyardError):
    """Raised if a server can't be reached. The operation was not accepted and left no partial result."""


class Busy(Unavailable):
    """Raised if what the operation needs stays in use for longer than it may wait; nothing was done.

    `is_locked`: a lock was the cause.
    """

    def __init__(self, text: str, *, is_locked: bool = False) -> None:
        super().__init__(text)
        self.is_locked = is_locked


class LeadershipLost(TaskyardError):
    """Raised if this worker no longer leads, or can't prove that it does."""


class Missing(Enum):
    """Stands for a value that was not given."""

    VALUE = "nothing"


MISSING = Missing.VALUE


class SubmissionError(TaskyardError):
    """Raised for invalid input to an operation, with the field and what was expected.

    `value` is `MISSING` if none was given; `expected` may be empty then. `parts` are all the problems that were found
    with it, this one first, if there are several.
    """

    parts: tuple[SubmissionError, ...] = ()

    def __init__(self, field: str, value: object, expected: str) -> None:
        self.field = field
        self.value = value
        self.expected = expected
        if value is not MISSING:
            text = msg(
                "{field}: {value} is not accepted, expected {expected}",
                field=field,
                value=shortened(value),
                expected=expected,
            )
        elif expected:
            text = msg("{field} is required: {expected}", field=field, expected=expected)
        else:
            text = msg("{field} is required", field=field)
        super().__init__(text)

    @property
    def shown_value(self) -> str:
        """Returns the value as a short printable text, which is empty if none was given."""
        return "" if self.value is MISSING else shortened(self.value)


class UnknownTaskType(SubmissionError):
    """Raised if no registered task type has this name."""

    def __init__(self, name: str, known: Iterable[str], *, has_task_modules: bool = True) -> None:
        self.has_task_modules = has_task_modules
        names = sorted(known)
        near = names if len(names) <= MAX_NAMED_TYPES else get_close_matches(str(name)[:200], names, NEAREST_TYPES, 0)
        template = N_("one of {names}") if near is names else N_("a registered type, such as {names}")
        expected = msg(template, names=", ".join(near)) if names else msg("a registered type, but there are none")
        if not has_task_modules:
            expected = msg("{expected}, or TASKYARD_TASK_MODULES does not name its module", expected=expected)
        super().__init__("type", name, expected)


class IdempotencyConflict(SubmissionError):
    """Raised if the idempotency key belongs to a task with different content."""

    def __init__(
        self, key: str, task_id: str, differs: str | None = None, queue: str | None = None, type: str | None = None
    ) -> None:
        """`queue` and `type` are those of the task that has the key, as far as they are known here."""
        self.task_id = task_id
        self.queue = queue
        self.type = type
        if differs is None:
            expected = msg("a new key: task {id} already uses it with different content", id=task_id)
        else:
            expected = msg("a new key: task {id} already uses it with another {field}", id=task_id, field=differs)
        super().__init__("idempotency_key", key, expected)

    @classmethod
    def with_workflow(cls, key: str, workflow_id: str) -> IdempotencyConflict:
        """Returns the error of a key that belongs to another workflow, whose id is in `task_id`."""
        error = cls(key, workflow_id)
        expected = msg("a new key: workflow {id} already uses it with different content", id=workflow_id)
        SubmissionError.__init__(error, "idempotency_key", key, expected)
        return error


class NotPermitted(TaskyardError):
    """Raised if the actor lacks `permission`; nothing was done. The text says what would help."""

    def __init__(self, permission: str, text: str) -> None:
        self.permission = permission
        super().__init__(text)


class TaskNotFound(TaskyardError):
    """Raised if no task has this id."""

    def __init__(self, task_id: object) -> None:
        super().__init__(msg("task {id} does not exist", id=task_id))


class WorkflowNotFound(TaskNotFound):
    """Raised if no workflow has this id."""

    def __init__(self, workflow_id: object) -> None:
        TaskyardError.__init__(self, msg("workflow {id} does not exist", id=workflow_id))


class ItemNotFound(TaskyardError):
    """Raised if no item in quarantine has this id."""

    def __init__(self, item_id: object) -> None:
        super().__init__(msg("no item with the id {id} is in quarantine", id=item_id))


class IllegalTransition(TaskyardError):
    """Raised if the task's state does not allow the operation."""

    def __init__(self, task_id: object, state: str, needs: str) -> None:
        self.state = state
        super().__init__(msg("task {id} is {state}; {needs}", id=task_id, state=state, needs=needs))

    @classmethod
    def of_workflow(cls, workflow_id: object, state: str, needs: str) -> IllegalTransition:
        """Returns the same error about a workflow."""
        error = cls(workflow_id, state, needs)
        text = msg("workflow {id} is {state}; {needs}", id=workflow_id, state=state, needs=needs)
        TaskyardError.__init__(error, text)
        return error


class HandlerError(TaskyardError):
    """A failed attempt; `error_class` says how it failed."""

    error_class = ErrorClass.TRANSIENT


class TransientError(HandlerError):
    """Raise it in a handler for a failure that another attempt may avoid."""


class RetryAfter(TransientError):
    """Raise it in a handler if somebody said when to try again: the attempt does not count, up to the policy's limit.

    `seconds` from then on the task runs again, from its last checkpoint.
    """

    def __init__(self, seconds: float, text: str = "") -> None:
        self.seconds = seconds
        super().__init__(text or f"try again after {seconds} s")


class PermanentError(HandlerError):
    """Raise it in a handler for a failure that every attempt would have."""

    error_class = ErrorClass.PERMANENT


class ResourceLimitError(HandlerError):
    """Raised if a limit on CPU, memory, processes, files or output was hit."""

    error_class = ErrorClass.RESOURCE_LIMIT


class InvalidInputError(HandlerError):
    """Raised if the stored input does not fit the type's input model."""

    error_class = ErrorClass.INVALID_INPUT


class InvalidOutputError(HandlerError):
    """Raised if the returned value does not fit the type's output model or the limits on outputs."""

    error_class = ErrorClass.INVALID_OUTPUT


class TaskTimeout(HandlerError):
    """Raised if the attempt ran longer than its timeout."""

    error_class = ErrorClass.TIMEOUT


class HandlerCrashed(HandlerError):
    """Raised if the process that ran the handler died without an answer."""

    error_class = ErrorClass.CRASHED


class TaskCancelled(HandlerError):
    """Raised in a handler that asks its context whether it was cancelled."""

    error_class = ErrorClass.CANCELLED


def shortened(value: object, limit: int = 80) -> str:
    """Returns `value` as a short printable text for an error message."""
    try:
        text = repr(value)
    except Exception:  # raised by a caller's class, or by too many levels or digits
        text = f"<{type(value).__name__} that can't be shown>"
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
