"""Implements the operations on tasks over HTTP, through the client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from taskyard.api.models.tasks import LogLine, TaskDetails, TaskSummary
from taskyard.client import Client, calls
from taskyard.client.core import LOG_LINES
from taskyard.core.errors import SubmissionError
from taskyard.core.explanation import Explanation
from taskyard.core.models import AuditEvent, LogEntry, Task
from taskyard.core.retry_outcome import RetryPreview, RetryResult
from taskyard.core.states import Priority
from taskyard.worker.cli.ports.place import URL_VARIABLE
from taskyard.worker.cli.ports.tasks import NewestLog, ShownEvent, ShownTask

# The API knows its own limit and says it; this one only bounds what is read into memory.
INPUT_LIMIT_BYTES = 64 << 20
MAX_PAGE_TASKS = 1_000
_SAME = (
    "id", "queue", "type", "title", "state", "error", "attempt", "refunded", "max_attempts", "timeout_seconds",
    "run_at", "ready_at", "idempotency_key", "workflow_id", "workflow_key", "waiting_on", "suspension",
    "creator_agent_id", "created_by", "progress", "progress_message", "created_at", "assigned_at", "started_at",
    "finished_at", "scheduled_for", "predicted_seconds", "predicted_low", "predicted_high", "head_start", "size",
    "hedged", "hedge_agent_id",
)  # fmt: skip


class RemoteTasks:
    """The tasks of the installation whose API a client reaches; see `TaskPort`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._refused: list[SubmissionError] = []

    @property
    def input_limit_bytes(self) -> int:
        return INPUT_LIMIT_BYTES

    def creator(self, name: str | None) -> dict[str, str]:
        if name is not None:
            raise SubmissionError("created_by", name, f"nothing: over {URL_VARIABLE} the token's owner submits")
        return {}

    def submit(self, type: str, content: Any, options: Mapping[str, Any]) -> str:
        return self._client.submit(type, content, **options).id

    def submit_many(self, lines: Iterable[Mapping[str, Any]], progress: Callable[[int], None]) -> list[str]:
        try:
            return self._client.submit_many(lines, progress=progress)
        except SubmissionError as error:
            self._refused = getattr(error, "every", [])
            raise

    def problems_of(self, submission: Mapping[str, Any]) -> list[SubmissionError]:
        return self._refused

    def list_tasks(self, state: str | None, type: str | None, queue: str | None, limit: int) -> list[ShownTask]:
        found = self._client.search(
            states=None if state is None else [state],
            types=None if type is None else [type],
            queues=None if queue is None else [queue],
            page_tasks=min(limit, MAX_PAGE_TASKS),
            explain=True,
        )
        return [_shown(task) for task in islice(found, limit)]

    def get(self, task_id: str) -> ShownTask:
        return _shown(self._client.get(task_id, explain=True))

    def history(self, task_id: str) -> list[ShownEvent]:
        found = self._client.history(task_id)
        return [ShownEvent(AuditEvent(**one.model_dump(exclude={"is_masked"})), one.is_masked) for one in found]

    def newest_log(self, task_id: str) -> NewestLog:
        page = self._client.ask(calls.log(task_id, before=None, limit=LOG_LINES))
        return NewestLog([_entry(line) for line in page.entries], page.older is not None)

    def whole_log(self, task_id: str) -> Iterator[LogEntry]:
        """Yields all entries; the API gives the newest first, so they are all read before the first is there."""
        for line in reversed(list(self._client.logs(task_id))):
            yield _entry(line)

    def why(self, task_id: str) -> Explanation:
        return self._client.why(task_id)

    def cancel(self, task_id: str, reason: str) -> int:
        self._client.cancel(task_id, reason=reason)
        return len(self._client.ask(calls.open_below(task_id)))

    def cancel_tree(self, task_id: str, reason: str) -> int:
        return self._client.cancel_tree(task_id, reason=reason)

    def retry(self, task_id: str, reason: str, scope: str) -> RetryResult:
        done = self._client.retry(task_id, reason=reason, scope=scope)
        return RetryResult(done.tasks, done.cancelled_below)

    def preview_retry(self, task_id: str, scope: str) -> RetryPreview:
        return self._client.preview_retry(task_id, scope=scope).as_preview()

    def reprioritise(self, task_id: str, priority: str) -> None:
        self._client.reprioritise(task_id, priority)

    def send_signal(self, task_id: str, name: str, data: Any, signal_id: str | None, reason: str) -> bool:
        return self._client.send_signal(task_id, name, data, signal_id=signal_id, reason=reason)


def _shown(found: TaskSummary) -> ShownTask:
    """Returns a task as the stores have it; of a summary, what it lacks is None."""
    details = found if isinstance(found, TaskDetails) else None
    task = Task(
        **{name: getattr(found, name) for name in _SAME},
        priority=Priority[found.priority.upper()],
        requires=tuple(found.requires),
        assigned_agent_id=found.agent_id,
        input=details and details.input,
        output=details and details.output,
        checkpoint=details and details.checkpoint,
    )
    return ShownTask(task, found.why, found.is_masked)


def _entry(line: LogLine) -> LogEntry:
    return LogEntry(line.at, line.attempt, line.level, line.message, line.agent_id)
