"""Submits workflows and groups: check all of it → persist it in one transaction → enqueue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import psycopg2

from taskyard.core.clock import Clock
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.learning.prediction import Predict
from taskyard.core.payload.culprits import in_field, refused, together
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import locks, workflow_submission
from taskyard.core.postgres.store.workflow_submission import Inserted
from taskyard.core.submission.known_calls import NO_LIMITS, EveryType
from taskyard.core.submission.queue_notifier import QueueNotifier
from taskyard.core.submission.validate import Limits
from taskyard.core.submission.workflow_check import WorkflowCall, check_workflow
from taskyard.core.submission.workflow_types import WorkflowTypes
from taskyard.core.task_types.published import PublishedTypes
from taskyard.core.task_types.registry import Registry
from taskyard.core.workflows.checked import GROUP, CheckedWorkflow, Submitted

MEMBERS = "tasks"  # the key of the group that a submitted group is


class WorkflowSubmitter:
    """Submits workflows. Every method is thread-safe, and raises SubmissionError with all problems as its `parts`,
    IdempotencyConflict and Unavailable.
    """

    def __init__(
        self,
        registry: Registry,
        published: PublishedTypes | None,
        limits: Limits,
        database: Database,
        notifier: QueueNotifier,
        clock: Clock,
        predict: Predict | None = None,
    ) -> None:
        self._registry = registry
        self._published = published
        self._limits = limits
        self._database = database
        self._notifier = notifier
        self._clock = clock
        self._predict = predict

    def submit(
        self,
        name: str,
        tasks: Mapping[str, Any],
        *,
        title: str | None = None,
        idempotency_key: str | None = None,
        created_by: str = "",
    ) -> Submitted:
        """Stores a workflow in one transaction, all or nothing, and returns its id and those of its tasks by key.

        `tasks` are tasks (see `task`), or lists of them, which are groups, by key. An idempotency key used before
        returns the first workflow.
        """
        return self.submit_call(
            WorkflowCall(name, tasks, title=title, idempotency_key=idempotency_key, created_by=created_by)
        )

    def submit_group(
        self,
        name: str,
        tasks: Iterable[Mapping[str, Any]],
        *,
        title: str | None = None,
        idempotency_key: str | None = None,
        created_by: str = "",
    ) -> Submitted:
        """Stores tasks without edges that belong together; the ids of its `tasks` are a list under that name."""
        return self.submit_call(group_call(name, tasks, title, idempotency_key, created_by))

    def submit_call(self, call: WorkflowCall) -> Submitted:
        """Stores what a caller gave."""
        checked = self.check(call)
        return checked if isinstance(checked, Submitted) else self.store(checked)

    def check(self, call: WorkflowCall) -> CheckedWorkflow | Submitted:
        """Returns the checked workflow, or an earlier one of the same call that would be refused now."""
        now = self._clock.now()
        types = WorkflowTypes(self._registry, None if self._published is None else self._published.published)
        try:
            checked = check_workflow(call, types, self._limits, now, self._predict)
        except SubmissionError as error:
            first = None if call.idempotency_key is None else self._find_first(call)
            if first is not None:
                return first
            if call.kind == GROUP:
                raise _of_members(error) from None
            raise
        return checked

    def store(self, workflow: CheckedWorkflow) -> Submitted:
        """Commits a checked workflow."""
        try:
            with locks.naming_holders(self._database), self._database.transaction() as tx:
                inserted = workflow_submission.insert(tx, workflow)
        except psycopg2.DataError as error:  # validation should have refused it
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise refused(
                "tasks", len(workflow.tasks), msg("what PostgreSQL can store ({reason})", reason=reason)
            ) from error
        self._notifier.push(inserted.waiting)
        return inserted.submitted

    def wake(self, inserted: Inserted) -> None:
        """Queues the tasks of a workflow that was stored in a caller's transaction, after its commit."""
        self._notifier.push(inserted.waiting)

    def _find_first(self, call: WorkflowCall) -> Submitted | None:
        """Returns the workflow that the same call made, regardless of current types and limits."""
        try:
            checked = check_workflow(call, WorkflowTypes(EveryType()), NO_LIMITS, self._clock.now())
        except SubmissionError:
            return None
        with self._database.transaction() as tx:
            return workflow_submission.find_first(tx, checked)


def group_call(
    name: Any, tasks: Any, title: Any = None, idempotency_key: Any = None, created_by: Any = ""
) -> WorkflowCall:
    """Returns the call of a group, whose tasks are the members of one."""
    if isinstance(tasks, str | bytes | Mapping) or not isinstance(tasks, Iterable):
        raise refused("tasks", tasks, msg("a list of tasks"))
    call = WorkflowCall(name, {MEMBERS: list(tasks)}, GROUP)
    return replace(call, title=title, idempotency_key=idempotency_key, created_by=created_by)


def _of_members(error: SubmissionError) -> SubmissionError:
    """Returns an error of a group with the places in the list that was given."""
    prefix = f"{MEMBERS}.{MEMBERS}"
    problems = [
        in_field(one, MEMBERS + one.field.removeprefix(prefix)) if one.field.startswith(prefix) else one
        for one in error.parts or [error]
    ]
    return together(problems)
