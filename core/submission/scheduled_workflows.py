"""Submits the workflows of fire times that are due, outside the leader's tick, which may not wait for a large one.

The tick has recorded each fire time with the id of its workflow. One transaction here locks that row, stores the
workflow and notes it as submitted, or why it was not. So each fire time submits once, whoever is killed: what is not
committed is due still. Workflows that a later fire time replaces are marked as cancelled in the same transaction, and
their tasks cancelled in batches after it; what is left of that is found by the rows, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg2
import structlog

from taskyard.core.errors import Busy, IllegalTransition, NotPermitted, SubmissionError, WorkflowNotFound
from taskyard.core.i18n import msg
from taskyard.core.postgres.database import Database, DriverTransaction
from taskyard.core.postgres.store import schedule_fires, schedules, workflow_submission, workflows
from taskyard.core.postgres.store.schedule_fires import DueWorkflow
from taskyard.core.schedules.schedule import OF_A_SCHEDULE, FireOutcome, Origin, Overlap, Schedule
from taskyard.core.schedules.what import WorkflowWhat
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.schedule_firing import replaced_by
from taskyard.core.submission.submit import Submitter
from taskyard.core.submission.workflow_check import WorkflowCall
from taskyard.core.submission.workflow_commands import WorkflowCommands
from taskyard.core.task_types.registry import Registry
from taskyard.core.workflows.checked import CheckedWorkflow
from taskyard.core.workflows.checked import Submitted as SubmittedWorkflow

SLICE = 100  # that are read at a time

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Checked:
    """A fire time whose workflow was checked: what is to be stored, what an earlier call stored, or why neither is."""

    due: DueWorkflow
    schedule: Schedule
    workflow: CheckedWorkflow | SubmittedWorkflow | None
    refusal: str = ""


class ScheduledWorkflows:
    """Submits what is due. Methods raise Unavailable; what they have not done is due still."""

    def __init__(self, submitter: Submitter, registry: Registry, database: Database) -> None:
        self._submitter = submitter
        self._registry = registry
        self._database = database

    def run(self, may_go_on: Callable[[], bool]) -> int:
        """Submits the workflows that are due, and cancels what they replace; returns how many it submitted."""
        count = self._submit_due(may_go_on)
        self._cancel_replaced(may_go_on)
        return count

    def _submit_due(self, may_go_on: Callable[[], bool]) -> int:
        count, done = 0, SLICE
        while done == SLICE and may_go_on():
            with self._database.transaction() as tx:
                found = schedule_fires.due_workflows(tx, SLICE)
            done = sum(may_go_on() and self._submit(one) for one in found)
            count += done
        return count

    def _submit(self, due: DueWorkflow) -> bool:
        """Submits a workflow, or notes why not; returns False if somebody else has done that, or does."""
        checked = self._check(due)
        if checked is None:
            return False
        try:
            return self._store(checked)
        except psycopg2.DataError as error:  # validation should have refused it
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            refusal = msg("what PostgreSQL can store ({reason})", reason=reason)
            return self._store(replace(checked, workflow=None, refusal=refusal))

    def _check(self, due: DueWorkflow) -> _Checked | None:
        """Returns a fire time with its workflow as of now; None if its schedule was removed."""
        with self._database.transaction() as tx:
            schedule = schedules.find(tx, due.schedule)
        if schedule is None or schedule.id != due.schedule_id:
            return None
        acting = Authorized(self._submitter, self._registry, self._database, schedule.acting())
        try:
            return _Checked(due, schedule, checked_workflow(acting, schedule, due.fire_time, due.workflow_id))
        except (SubmissionError, NotPermitted) as error:
            return _Checked(due, schedule, None, error.text)

    def _store(self, checked: _Checked) -> bool:
        """Stores a workflow and notes that, or why it is not accepted; returns False if it is due no more."""
        inserted = None
        with self._database.transaction() as tx:
            fire = schedule_fires.lock_due(tx, checked.due)
            if fire is None:
                return False
            try:
                if isinstance(checked.workflow, CheckedWorkflow):
                    inserted = workflow_submission.insert(tx, checked.workflow)
            except SubmissionError as error:  # nothing of it was stored
                checked = replace(checked, workflow=None, refusal=error.text)
            if checked.workflow is None:
                schedule_fires.note(tx, [fire.refused(checked.refusal)])
                return True
            stored = inserted.submitted.id if inserted is not None else checked.workflow.id
            schedule_fires.note(tx, [replace(fire, workflow_id=stored)])
            if checked.schedule.fields.overlap is Overlap.REPLACE and fire.origin is Origin.TIME:
                _replace_earlier(tx, checked)
        if inserted is not None:
            self._submitter.workflows.wake(inserted)
        return True

    def _cancel_replaced(self, may_go_on: Callable[[], bool]) -> None:
        with self._database.transaction() as tx:
            found = schedule_fires.half_cancelled(tx, SLICE)
        commands = WorkflowCommands(self._database, self._submitter.commands)
        for workflow_id, schedule, reason in found:
            if not may_go_on():
                return
            try:
                commands.cancel(workflow_id, actor=f"{OF_A_SCHEDULE}{schedule}", reason=reason)
            except (IllegalTransition, WorkflowNotFound):  # it has ended meanwhile
                continue
            except Busy as error:
                log.warning("schedules.replacing", workflow=workflow_id, reason=str(error))


def call_of(schedule: Schedule, fire_time: datetime) -> WorkflowCall:
    """Returns how a fire time's workflow is submitted, without a key; raises SubmissionError for one of tasks."""
    what = schedule.at(fire_time).fields.what
    if not isinstance(what, WorkflowWhat):
        raise SubmissionError("what", what.label, msg("a workflow, which it was at the fire time"))
    return WorkflowCall(what.name, what.tasks, title=what.title)


def checked_workflow(
    acting: Authorized, schedule: Schedule, fire_time: datetime, workflow_id: str
) -> CheckedWorkflow | SubmittedWorkflow:
    """Returns the workflow of a fire time, under an id of its own, or what an earlier call of the same key stored.

    Raises SubmissionError and NotPermitted.
    """
    call = replace(call_of(schedule, fire_time), idempotency_key=schedule.key_of(fire_time))
    found = acting.workflows().check(call)
    if isinstance(found, SubmittedWorkflow):
        return found
    return replace(found, id=workflow_id, scheduled_for=fire_time)


def _replace_earlier(tx: DriverTransaction, checked: _Checked) -> None:
    """Marks the earlier workflows of a schedule as cancelled, and forgets those that are due."""
    earlier, reason = schedule_fires.lock_earlier(tx, checked.due), replaced_by(checked.due.fire_time)
    for one in earlier:
        if one.outcome is FireOutcome.SUBMITTED and one.workflow_id is not None:
            workflows.cancel(tx, one.workflow_id, checked.schedule.creator, reason)
    noted = [replace(one, outcome=FireOutcome.REPLACED, submit_at=None, reason=reason) for one in earlier]
    schedule_fires.note(tx, noted)
