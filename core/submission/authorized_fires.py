"""Has schedules submit by hand, now or for fire times of the past, as far as an actor may.

Both need the right to operate and to submit the schedule's tasks; its own right to run code counts, too. Everything
raises SubmissionError and NotPermitted in addition to the store's errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import msgspec
import uuid_utils

from taskyard.core.access.identity import Actor
from taskyard.core.i18n import msg
from taskyard.core.new_task import Submission
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import DriverTransaction, Transaction
from taskyard.core.postgres.store import schedule_fires, schedules, submission, workflow_submission
from taskyard.core.postgres.store.schedule_fires import Fire
from taskyard.core.postgres.store.workflow_submission import Inserted
from taskyard.core.schedules.moments import check_moment
from taskyard.core.schedules.schedule import FireOutcome, Origin, Schedule
from taskyard.core.schedules.what import Kind
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.authorized_schedules import find, operated
from taskyard.core.submission.schedule_firing import due_workflow, options_of, task_of
from taskyard.core.submission.scheduled_workflows import call_of, checked_workflow
from taskyard.core.workflows.checked import CheckedWorkflow

MAX_BACKFILL = 1_000  # fire times of one backfill


@dataclass(frozen=True, slots=True)
class Backfill:
    """Fire times of a span: those to submit, and how many have submitted a task already."""

    to_submit: tuple[datetime, ...]
    submitted_before: int


@dataclass(frozen=True, slots=True)
class Ran:
    """What a schedule submitted now: the id of its task or workflow."""

    id: str
    kind: Kind
    workflow: Inserted | None = None

    def wake(self, acting: Authorized) -> None:
        """Queues what was submitted, after the commit."""
        if self.workflow is None:
            acting.wake([self.id])
        else:
            acting.wake_workflow(self.workflow)


@dataclass(frozen=True, slots=True)
class Filled:
    """What a backfill submits: the ids of its tasks, or of the workflows that the leader submits one after another."""

    ids: tuple[str, ...]
    kind: Kind

    def wake(self, acting: Authorized) -> None:
        """Queues what was submitted, after the commit."""
        if self.kind is Kind.TASK:
            acting.wake(self.ids)


def run(tx: DriverTransaction, acting: Authorized, name: str) -> Ran:
    """Submits the schedule's task or workflow now, beside its fire times and whatever runs.

    Call its `wake` after the commit.
    """
    operated(tx, acting.actor, name)
    known, now = schedules.locked(tx, name)
    if known.fields.what.kind is Kind.WORKFLOW:
        return _run_workflow(tx, acting, known, now)
    task = _task_of(acting, known, now)
    inserted = submission.insert(tx, [task]).ids[0]
    if not isinstance(inserted, str):
        raise inserted
    schedule_fires.add(tx, [Fire(known.id, now, FireOutcome.SUBMITTED, Origin.MANUAL, inserted)])
    schedules.note_fired_by_hand(tx, "schedule_run", acting.actor.name, {"name": name, "task": inserted})
    return Ran(inserted, Kind.TASK)


def _run_workflow(tx: DriverTransaction, acting: Authorized, known: Schedule, now: datetime) -> Ran:
    inserted = workflow_submission.insert(tx, _workflow_of(acting, known, now))
    id_ = inserted.submitted.id
    schedule_fires.add(tx, [Fire(known.id, now, FireOutcome.SUBMITTED, Origin.MANUAL, workflow_id=id_)])
    schedules.note_fired_by_hand(tx, "schedule_run", acting.actor.name, {"name": known.name, "workflow": id_})
    return Ran(id_, Kind.WORKFLOW, inserted)


def count_backfill(tx: Transaction, actor: Actor, name: str, since: datetime, until: datetime) -> Backfill:
    """Returns what a backfill of a span would submit; raises SubmissionError."""
    known = find(tx, actor, name)
    return _backfill_of(tx, known, since, until, schedules.now(tx))


def backfill(tx: Transaction, acting: Authorized, name: str, since: datetime, until: datetime) -> Filled:
    """Submits for each fire time of a span that has submitted nothing, all or nothing.

    Each fire time counts once, so a span can be filled again. Workflows are due then, and submitted by the leader.
    Call `wake` of what is returned after the commit.
    """
    operated(tx, acting.actor, name)
    known, now = schedules.locked(tx, name)
    times = _backfill_of(tx, known, since, until, now).to_submit
    fill = _fill_with_workflows if known.fields.what.kind is Kind.WORKFLOW else _fill_with_tasks
    ids = fill(tx, acting, known, times) if times else []
    if ids:
        detail = {"name": name, "since": since.isoformat(), "until": until.isoformat(), "count": len(ids)}
        schedules.note_fired_by_hand(tx, "schedule_backfilled", acting.actor.name, detail)
    return Filled(tuple(ids), known.fields.what.kind)


def _fill_with_tasks(tx: Transaction, acting: Authorized, known: Schedule, times: Sequence[datetime]) -> list[str]:
    tasks = {at: _task_of(acting, known, at) for at in times}
    filled = [Fire(known.id, at, FireOutcome.SUBMITTED, Origin.BACKFILL, tasks[at].id) for at in times]
    new = {at for _, at in schedule_fires.fill(tx, filled)}
    ids = []
    for one in submission.insert(tx, [tasks[at] for at in times if at in new]).ids:
        if not isinstance(one, str):
            raise one
        ids.append(one)
    return ids


def _fill_with_workflows(tx: Transaction, acting: Authorized, known: Schedule, times: Sequence[datetime]) -> list[str]:
    _workflow_of(acting, known, times[0])
    filled = [due_workflow(known, at, Origin.BACKFILL) for at in times]
    new = {at for _, at in schedule_fires.fill(tx, filled)}
    return [str(one.workflow_id) for one in filled if one.fire_time in new]


def _workflow_of(acting: Authorized, known: Schedule, fire_time: datetime) -> CheckedWorkflow:
    """Returns the workflow of a fire time in the schedule's name, which the actor may submit, too."""
    id_ = str(uuid_utils.uuid7())
    acting.workflows().check(call_of(known, fire_time))
    found = checked_workflow(acting.acting_as(known.acting()), known, fire_time, id_)
    if not isinstance(found, CheckedWorkflow):
        raise refused("name", known.name, msg("a fire time that has submitted nothing"))
    return found


def _task_of(acting: Authorized, known: Schedule, fire_time: datetime) -> Submission:
    what = task_of(known.at(fire_time))
    options = options_of(known, fire_time)
    options.pop("run_at", None)
    made = acting.prepared(what.type, what.input, options, options.pop("created_by"))
    return msgspec.structs.replace(made, scheduled_for=fire_time)


def _backfill_of(tx: Transaction, known: Schedule, since: datetime, until: datetime, now: datetime) -> Backfill:
    since, until = check_moment("since", since), check_moment("until", until)
    if until > now or until < since:
        raise refused("until", until, msg("a time from `since` until now"))
    found = list(islice(known.timing.between(since, until), MAX_BACKFILL + 1))
    if len(found) > MAX_BACKFILL:
        raise refused("since", since, msg("a span of at most {limit} fire times", limit=MAX_BACKFILL))
    before = schedule_fires.submitted_between(tx, known.id, since, until)
    to_submit = tuple(at for at in found if at not in before)
    return Backfill(to_submit, len(found) - len(to_submit))
