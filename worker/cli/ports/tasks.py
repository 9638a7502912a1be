"""Says what the commands on tasks need of an installation, wherever it is; `TASKYARD_URL` says where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from taskyard.core.errors import SubmissionError
from taskyard.core.explanation import Explanation
from taskyard.core.models import AuditEvent, LogEntry, Task
from taskyard.core.retry_outcome import RetryPreview, RetryResult


class ShownTask(NamedTuple):
    """A task, why no agent can take it if it waits for one, and whether its payload is hidden from who asks."""

    task: Task
    why: str | None
    is_masked: bool = False


class ShownEvent(NamedTuple):
    """An event of a task, and whether values in it are hidden from who asks."""

    event: AuditEvent
    is_masked: bool = False


class NewestLog(NamedTuple):
    """The newest entries of a log, oldest first."""

    entries: list[LogEntry]
    has_older: bool


class TaskPort(Protocol):
    """The operations on tasks. All may raise Unavailable and NotPermitted; ids are texts as they were typed."""

    @property
    def input_limit_bytes(self) -> int:
        """Returns how large an input is read at all."""

    def creator(self, name: str | None) -> dict[str, str]:
        """Returns the option that says who submits, if one may say so; raises SubmissionError."""

    def submit(self, type: str, content: Any, options: Mapping[str, Any]) -> str:
        """Submits one task and returns its id; raises SubmissionError."""

    def submit_many(self, lines: Iterable[Mapping[str, Any]], progress: Callable[[int], None]) -> list[str]:
        """Submits many tasks and returns their ids; raises SubmissionError for the first invalid one."""

    def problems_of(self, submission: Mapping[str, Any]) -> list[SubmissionError]:
        """Returns all problems of the one that `submit_many` refused."""

    def list_tasks(self, state: str | None, type: str | None, queue: str | None, limit: int) -> list[ShownTask]:
        """Returns the newest tasks that match."""

    def get(self, task_id: str) -> ShownTask:
        """Returns a task; raises TaskNotFound."""

    def history(self, task_id: str) -> list[ShownEvent]:
        """Returns a task's events without its log; raises TaskNotFound."""

    def newest_log(self, task_id: str) -> NewestLog:
        """Returns the newest entries of a task's log; raises TaskNotFound."""

    def whole_log(self, task_id: str) -> Iterator[LogEntry]:
        """Yields all entries of a task's log, oldest first; raises TaskNotFound."""

    def why(self, task_id: str) -> Explanation:
        """Returns why a task waits; raises TaskNotFound."""

    def cancel(self, task_id: str, reason: str) -> int:
        """Cancels a task; returns how many unfinished ones are below it. Raises TaskNotFound, IllegalTransition."""

    def cancel_tree(self, task_id: str, reason: str) -> int:
        """Cancels a task and those below it; returns how many these were. Raises TaskNotFound, IllegalTransition."""

    def retry(self, task_id: str, reason: str, scope: str) -> RetryResult:
        """Makes a task, and others as the scope says, run again; raises TaskNotFound, IllegalTransition."""

    def preview_retry(self, task_id: str, scope: str) -> RetryPreview:
        """Returns what `retry` would do; raises as that does."""

    def reprioritise(self, task_id: str, priority: str) -> None:
        """Changes a task's priority; raises SubmissionError, TaskNotFound, IllegalTransition."""

    def send_signal(self, task_id: str, name: str, data: Any, signal_id: str | None, reason: str) -> bool:
        """Sends a signal; returns False if the task has it. Raises SubmissionError, TaskNotFound, IllegalTransition."""
