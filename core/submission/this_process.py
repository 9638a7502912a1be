"""Submits, cancels and retries tasks in one call, through this process's submitter and its environment's settings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Unpack

from taskyard.core.config import settings
from taskyard.core.edges import CancelScope, RetryScope
from taskyard.core.embedded.servers import resolve
from taskyard.core.postgres.store.tasks import TaskResult
from taskyard.core.submission.commands import check_cancel_scope
from taskyard.core.submission.many import ProgressCallback
from taskyard.core.submission.options import SubmitOptions
from taskyard.core.submission.submit import Submitter, open_submitter
from taskyard.core.task_types.registry import registry
from taskyard.core.workflows.checked import Submitted


@lru_cache
def default_submitter() -> Submitter:
    """Returns the submitter of this process; connects at the first call."""
    current = settings()
    endpoints = resolve(current)
    types = registry.load(current.task_modules)
    return open_submitter(current, types, endpoints.database_url, endpoints.redis_url)


# A child that was forked must not speak on its parent's connections; it makes its own at its first call.
os.register_at_fork(after_in_child=default_submitter.cache_clear)


def submit(type: str, input: Any = None, **options: Unpack[SubmitOptions]) -> str:
    """Submits one task and returns its id; see Submitter.submit for the errors.

    Options, all by name: `title`, `queue`, `priority` (low, medium, high, urgent), `timeout_seconds`, `max_attempts`,
    `delay_seconds` or `run_at`, `requires` (tags), `idempotency_key`, `created_by`, `after` (ids of tasks to wait
    for), `parent_id` and `creator_agent_id`.
    """
    return default_submitter().submit(type, input, **options)


def submit_many(submissions: Iterable[Mapping[str, Any]], *, progress: ProgressCallback | None = None) -> list[str]:
    """Submits many tasks and returns their ids in order; see Submitter.submit_many."""
    return default_submitter().submit_many(submissions, progress=progress)


def submit_workflow(
    name: str,
    tasks: Mapping[str, Any],
    *,
    title: str | None = None,
    idempotency_key: str | None = None,
    created_by: str = "",
) -> Submitted:
    """Submits a workflow: tasks (see `task`), or lists of them, which are groups, by key; all or nothing.

    Returns its id and the ids of its tasks by key. Raises SubmissionError, whose `parts` are all problems with their
    paths, such as `tasks.extract.input.rows`.
    """
    given = {"title": title, "idempotency_key": idempotency_key, "created_by": created_by}
    return default_submitter().workflows.submit(name, tasks, **given)  # type: ignore[arg-type]


def submit_group(
    name: str,
    tasks: Iterable[Mapping[str, Any]],
    *,
    title: str | None = None,
    idempotency_key: str | None = None,
    created_by: str = "",
) -> Submitted:
    """Submits tasks without edges that belong together, all or nothing; `tasks["tasks"]` are their ids in order."""
    given = {"title": title, "idempotency_key": idempotency_key, "created_by": created_by}
    return default_submitter().workflows.submit_group(name, tasks, **given)  # type: ignore[arg-type]


def result(task_id: str, timeout_seconds: float) -> TaskResult:
    """Waits until a task has ended and returns its state with its output or error; see Submitter.result."""
    return default_submitter().result(task_id, timeout_seconds)


def cancel(task_id: str, *, actor: str, reason: str = "", scope: str = CancelScope.THIS) -> None:
    """Cancels an unfinished task and those that wait for it; see Submitter.cancel.

    With the scope `tree` also all unfinished tasks that it and its children submitted.
    """
    if check_cancel_scope(scope) is CancelScope.TREE:
        default_submitter().commands.cancel_tree(task_id, actor=actor, reason=reason)
    else:
        default_submitter().cancel(task_id, actor=actor, reason=reason)


def retry(task_id: str, *, actor: str, reason: str = "", scope: str = RetryScope.THIS) -> None:
    """Makes a failed or cancelled task pending again; see Submitter.retry.

    With the scope `downstream` all that come after it run again, too, and with `chain` the failed and cancelled tasks
    before it as well.
    """
    default_submitter().retry(task_id, actor=actor, reason=reason, scope=scope)


def reprioritise(task_id: str, priority: str, *, actor: str, reason: str = "") -> None:
    """Changes the priority of a task that has not started; see Submitter.reprioritise."""
    default_submitter().reprioritise(task_id, priority, actor=actor, reason=reason)


def send_signal(
    task_id: str, name: str, data: Any = None, *, actor: str, signal_id: str | None = None, reason: str = ""
) -> bool:
    """Sends a signal to an unfinished task; returns False if it has it already. See Submitter.send_signal."""
    return default_submitter().send_signal(task_id, name, data, actor=actor, signal_id=signal_id, reason=reason)
