"""Checks and records what users do to workflows, against their permissions on each of the tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from taskyard.core.access.identity import PROCESS, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import IdempotencyConflict, SubmissionError, WorkflowNotFound
from taskyard.core.i18n import msg
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import workflows
from taskyard.core.retry_outcome import RetryPreview
from taskyard.core.submission.commands import ManyTaskCommands
from taskyard.core.submission.submit import Submitter
from taskyard.core.submission.validate import DEFAULT_QUEUE
from taskyard.core.submission.workflow_check import WorkflowCall
from taskyard.core.submission.workflow_commands import WorkflowCommands, check_workflow_id
from taskyard.core.workflows.checked import CheckedWorkflow, Submitted


class Permits(Protocol):
    """What says whether an actor may submit or run tasks: `Authorized`."""

    actor: Actor

    def signed(self, type: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Raises NotPermitted for a submission of such a task."""

    def check_types(self, types: Iterable[object]) -> None:
        """Raises NotPermitted if tasks of one of these types may not be run."""


class AuthorizedWorkflows:
    """A submitter's operations on workflows on behalf of one actor. All raise NotPermitted in addition."""

    def __init__(
        self, permitted: Permits, submitter: Submitter, database: Database, commands: ManyTaskCommands
    ) -> None:
        """`commands` check what they change, too: a retry may reach tasks of others."""
        self._permitted = permitted
        self._actor = permitted.actor
        self._submitter = submitter.workflows
        self._commands = WorkflowCommands(database, commands)
        self._database = database

    def submit(self, call: WorkflowCall) -> tuple[Submitted, bool]:
        """Returns the ids of a workflow, and whether this call made it.

        Only this process's own user may name another creator.
        """
        signed = self._signed(call)
        try:
            checked = self._submitter.check(signed)
            if isinstance(checked, Submitted):
                return checked, False
            found = self._submitter.store(checked)
        except IdempotencyConflict as error:
            if not self._actor.is_narrowed:
                raise
            raise SubmissionError(error.field, error.value, msg("a new key: this one is in use")) from None
        return found, found.id == checked.id

    def check(self, call: WorkflowCall) -> CheckedWorkflow | Submitted:
        """Returns a workflow that could be submitted; stores nothing."""
        return self._submitter.check(self._signed(call))

    def cancel(self, workflow_id: str, reason: str) -> int:
        """See `WorkflowCommands.cancel`; all of its tasks must be the actor's to change."""
        self._check_tasks(workflow_id)
        return self._commands.cancel(workflow_id, actor=self._actor.name, reason=reason)

    def retry(self, workflow_id: str, reason: str) -> int:
        """See `WorkflowCommands.retry`; all of its tasks must be the actor's to change."""
        self._permitted.check_types(self._check_tasks(workflow_id))
        return self._commands.retry(workflow_id, actor=self._actor.name, reason=reason)

    def preview_retry(self, workflow_id: str) -> RetryPreview | None:
        """See `WorkflowCommands.preview_retry`."""
        self._permitted.check_types(self._check_tasks(workflow_id))
        return self._commands.preview_retry(workflow_id)

    # ours

    def _signed(self, call: WorkflowCall) -> WorkflowCall:
        """Checks each type and queue once; what is no text is refused by name elsewhere."""
        self._actor.require(Permission.TASK_SUBMIT)
        checked: set[tuple[Any, Any]] = set()
        for task in _tasks_of(call.tasks):
            type_, queue = task.get("type"), task.get("queue") or DEFAULT_QUEUE
            if isinstance(type_, str) and isinstance(queue, str) and (type_, queue) not in checked:
                checked.add((type_, queue))
                self._permitted.signed(type_, {"queue": queue})
        if self._actor.via == PROCESS and call.created_by:
            return call
        return replace(call, created_by=self._actor.name)

    def _check_tasks(self, workflow_id: str) -> set[str]:
        """Checks a workflow's tasks against the patterns that narrow the actor; returns their types."""
        self._actor.require(Permission.TASK_OPERATE)
        id_ = check_workflow_id(workflow_id)
        with self._database.transaction() as tx:
            workflows.get(tx, id_)
            found = {(one.queue, one.type) for one in workflows.figures(tx, [id_])[id_]}
        if self._actor.is_narrowed and not any(self._actor.sees(queue, type_) for queue, type_ in found):
            raise WorkflowNotFound(id_)
        for queue, type_ in sorted(found):
            self._actor.require(Permission.TASK_OPERATE, queue=queue, type_=type_)
        return {type_ for _, type_ in found}


def _tasks_of(tasks: object) -> list[Mapping[str, Any]]:
    given = tasks.values() if isinstance(tasks, Mapping) else ()
    members = [one for part in given for one in (part if isinstance(part, list | tuple) else [part])]
    return [one for one in members if isinstance(one, Mapping)]
