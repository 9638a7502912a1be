"""Implements the operations on tasks by this host's own connections to PostgreSQL and Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from taskyard.core.access.identity import os_user
from taskyard.core.config import load_settings
from taskyard.core.errors import SubmissionError
from taskyard.core.explain import why
from taskyard.core.explanation import Explanation
from taskyard.core.models import LogEntry, Task
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import task_logs
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.reasons import Reasons
from taskyard.core.redis.cache import RedisCache
from taskyard.core.retry_outcome import RetryPreview, RetryResult
from taskyard.core.submission.authorized import Authorized
from taskyard.worker.cli.connections import acting, opened_database, opened_servers
from taskyard.worker.cli.ports.tasks import NewestLog, ShownEvent, ShownTask
from taskyard.worker.cli.text import task_id as checked


class LocalTasks:
    """The tasks of the servers that the settings name; see `TaskPort`. Reading needs PostgreSQL alone."""

    def __init__(self, opened: ExitStack) -> None:
        """Leaves it to `opened` to close what it opens."""
        self._opened = opened
        self._database_used: Database | None = None
        self._permitted: Authorized | None = None

    @property
    def input_limit_bytes(self) -> int:
        return load_settings().input_limit_bytes

    def creator(self, name: str | None) -> dict[str, str]:
        return {"created_by": os_user() if name is None else name}

    def submit(self, type: str, content: Any, options: Mapping[str, Any]) -> str:
        return self._acting(load_types=True).submit(type, content, **options)

    def submit_many(self, lines: Iterable[Mapping[str, Any]], progress: Callable[[int], None]) -> list[str]:
        return self._acting(load_types=True).submit_many(lines, progress=progress)

    def problems_of(self, submission: Mapping[str, Any]) -> list[SubmissionError]:
        return self._acting(load_types=True).problems_of(submission)

    def list_tasks(self, state: str | None, type: str | None, queue: str | None, limit: int) -> list[ShownTask]:
        with self._database().transaction() as tx:
            found = tasks_store.list_tasks(tx, state=state, type=type, queue=queue, limit=limit)
            reasons = Reasons.read(tx)
        return [ShownTask(task, reasons.of_task(task)) for task in found]

    def get(self, task_id: str) -> ShownTask:
        with self._database().transaction() as tx:
            task: Task = tasks_store.get_task(tx, checked(task_id))
            return ShownTask(task, Reasons.read(tx).of_task(task))

    def history(self, task_id: str) -> list[ShownEvent]:
        with self._database().transaction() as tx:
            wanted = checked(task_id)
            events = tasks_store.history(tx, wanted)
            if not events:
                tasks_store.get_task(tx, wanted)
        return [ShownEvent(event) for event in events]

    def newest_log(self, task_id: str) -> NewestLog:
        wanted = checked(task_id)
        with self._database().transaction() as tx:
            tasks_store.get_task(tx, wanted)
            page = task_logs.newest(tx, wanted)
        return NewestLog(list(page.entries), page.older is not None)

    def whole_log(self, task_id: str) -> Iterator[LogEntry]:
        wanted = checked(task_id)
        with self._database().transaction() as tx:
            tasks_store.get_task(tx, wanted)
            yield from task_logs.whole(tx, wanted)

    def why(self, task_id: str) -> Explanation:
        with opened_servers() as (database, broker):
            cache, mode = RedisCache(broker.redis, broker.keys), load_settings().auth
            return why(database, broker, cache, checked(task_id), mode)

    def cancel(self, task_id: str, reason: str) -> int:
        permitted = self._acting()
        permitted.cancel(task_id, reason)
        return len(permitted.open_below(task_id))

    def cancel_tree(self, task_id: str, reason: str) -> int:
        return self._acting().cancel_tree(task_id, reason)

    def retry(self, task_id: str, reason: str, scope: str) -> RetryResult:
        return self._acting().retry(task_id, reason, scope)

    def preview_retry(self, task_id: str, scope: str) -> RetryPreview:
        return self._acting().preview_retry(task_id, scope)

    def reprioritise(self, task_id: str, priority: str) -> None:
        self._acting().reprioritise(task_id, priority, "")

    def send_signal(self, task_id: str, name: str, data: Any, signal_id: str | None, reason: str) -> bool:
        return self._acting().send_signal(task_id, name, data, signal_id, reason)

    # ours

    def _acting(self, *, load_types: bool = False) -> Authorized:
        """Returns what this process's user may do; only submissions need the task types."""
        if self._permitted is None:
            self._permitted, self._database_used = self._opened.enter_context(acting(load_types=load_types))
        return self._permitted

    def _database(self) -> Database:
        if self._database_used is None:
            self._database_used = self._opened.enter_context(opened_database())
        return self._database_used
