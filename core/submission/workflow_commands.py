"""Cancels and retries workflows as one: a mark in one transaction, then their tasks in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from taskyard.core.edges import RetryScope
from taskyard.core.errors import Busy, IllegalTransition, TaskyardError
from taskyard.core.i18n import msg
from taskyard.core.ids import parsed_id
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import locks, workflows
from taskyard.core.retry_outcome import RetryPreview
from taskyard.core.submission.commands import TREE_BATCH, TREE_PATIENCE_SECONDS, TREE_PAUSE_SECONDS, ManyTaskCommands
from taskyard.core.submission.retries import planned, preview_together, refusal_error
from taskyard.core.workflows.states import WorkflowState, open_state

READ_TASKS = 10_000  # that are read at a time


class WorkflowCommands:
    """Commands on whole workflows, thread-safe.

    They raise SubmissionError, WorkflowNotFound, IllegalTransition, Busy and Unavailable.
    """

    def __init__(self, database: Database, commands: ManyTaskCommands) -> None:
        self._database = database
        self._commands = commands

    def cancel(self, workflow_id: str, *, actor: str, reason: str = "") -> int:
        """Cancels a workflow's unfinished tasks, also those that its handlers submitted; returns how many.

        Running ones go first, so that they submit no more; then batches until none is left. A call that was
        interrupted can be repeated.
        """
        id_ = check_workflow_id(workflow_id)
        with locks.naming_holders(self._database), self._database.transaction() as tx:
            workflows.cancel(tx, id_, actor, reason)  # first: it can end until then
            known = workflows.get(tx, id_)
            if known.ended_at is not None:
                needs = msg("only unfinished workflows can be cancelled")
                raise IllegalTransition.of_workflow(id_, str(known.state), needs)

        def open_ones() -> list[str]:
            with self._database.transaction() as tx:
                return workflows.open_tasks(tx, id_, READ_TASKS)

        return self._until_none_is_left(open_ones, lambda ids: sum(self._commands.cancel_free(ids, actor, reason)))

    def retry(self, workflow_id: str, *, actor: str, reason: str = "") -> int:
        """Runs a workflow's failed and cancelled tasks again, in the order of its edges; returns how many.

        Those that are not needed, or can't start for a task of somebody else, stay as they are. Raises
        IllegalTransition if there are none.
        """
        id_ = check_workflow_id(workflow_id)
        with self._database.transaction() as tx:
            workflows.get(tx, id_)
            ids = workflows.to_retry(tx, id_)
        count = self._retry_scope(ids, actor, reason) if ids else 0
        if not count:
            raise self._refusal(id_, ids)
        with self._database.transaction() as tx:
            workflows.note_retry(tx, id_, actor, reason, count)
        return count

    def preview_retry(self, workflow_id: str) -> RetryPreview | None:
        """Returns what `retry` would do; None: more tasks would run again than are planned together."""
        id_ = check_workflow_id(workflow_id)
        with self._database.transaction() as tx:
            workflows.get(tx, id_)
            return preview_together(tx, workflows.to_retry(tx, id_))

    # ours

    def _refusal(self, id_: str, ids: Sequence[str]) -> TaskyardError:
        """Returns the error that says why none of a workflow's failed and cancelled tasks can run again."""
        with self._database.transaction() as tx:
            state = workflows.get(tx, id_).state or open_state(workflows.figures(tx, [id_])[id_])
            is_needed = bool(ids) and state != WorkflowState.COMPLETED
            found = planned(tx, ids, RetryScope.DOWNSTREAM) if is_needed else None
            if found is not None and found.plan.refused:
                return refusal_error(*next(iter(found.plan.refused.items())))
        return IllegalTransition.of_workflow(id_, state, msg("only failed or cancelled tasks can be retried"))

    def _retry_scope(self, ids: Sequence[str], actor: str, reason: str) -> int:
        """Runs tasks again with all that come after them; returns how many."""
        count, besides = self._commands.retry_many(ids, actor=actor, reason=reason, scope=RetryScope.DOWNSTREAM)
        return count + len(besides)

    def _until_none_is_left(self, left: Callable[[], list[str]], run: Callable[[Sequence[str]], int]) -> int:
        """Runs a command on batches of what is left, and again; returns how many tasks it changed.

        Raises Busy if nothing moves for TREE_PATIENCE_SECONDS, because rows are locked by others.
        """
        count, give_up_at = 0, time.monotonic() + TREE_PATIENCE_SECONDS
        while ids := left():
            done = sum(run(ids[first : first + TREE_BATCH]) for first in range(0, len(ids), TREE_BATCH))
            count += done
            if done:
                give_up_at = time.monotonic() + TREE_PATIENCE_SECONDS
            elif time.monotonic() > give_up_at:
                with locks.naming_holders(self._database):
                    text = msg("{left} unfinished tasks are locked by another session: try again", left=len(ids))
                    raise Busy(text, is_locked=True)
            else:
                time.sleep(TREE_PAUSE_SECONDS)
        return count


def check_workflow_id(value: object) -> str:
    """Returns a valid id of a workflow; raises SubmissionError."""
    workflow_id = parsed_id(value)
    if workflow_id is None:
        raise refused("workflow", value, msg("the id of a workflow (a UUID)"))
    return workflow_id
