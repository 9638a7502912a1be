"""Fires schedules that are due, inside the leader's tick.

One transaction records a fire time, inserts its task and sets the next fire time. So each fire time submits once or,
by the schedule's policy, not at all, whoever is killed or takes over: what is not committed is due again, and what is
committed has its row. A workflow may be large: its fire time is recorded as due here, and
core.submission.scheduled_workflows submits it outside the tick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import uuid_utils

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import Moment, msg
from taskyard.core.learning.prediction import Predict
from taskyard.core.models import Waiting
from taskyard.core.new_task import Submission
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import commands, dependants, schedule_fires, submission
from taskyard.core.postgres.store.commands import Cancelled
from taskyard.core.postgres.store.schedule_fires import Fire
from taskyard.core.schedules.due import due_of, jitter_of
from taskyard.core.schedules.schedule import FireOutcome, Origin, Overlap, Schedule
from taskyard.core.schedules.what import Kind, What
from taskyard.core.submission.validate import Limits, validate_submission
from taskyard.core.task_types.registry import Registry

SLICE = 100  # schedules in one transaction
_EARLIER = {
    Kind.TASK: msg("an earlier task of the schedule had not ended"),
    Kind.WORKFLOW: msg("an earlier workflow of the schedule had not ended"),
}

# Runs a statement for many items; returns those that PostgreSQL refuses.
RunEach = Callable[[Sequence[Submission], Callable[[Sequence[Submission]], object]], Sequence[Submission]]


@dataclass(slots=True)
class Fired:
    """What a slice did: tasks that wait for an agent now, tasks cancelled for newer ones, and dependants left.

    `is_whole`: more may be due already.
    """

    waiting: list[Waiting] = field(default_factory=list)
    cancelled: list[Cancelled] = field(default_factory=list)
    below: dependants.Ended = dependants.NONE
    is_whole: bool = False
    schedules: int = 0


def options_of(schedule: Schedule, fire_time: datetime) -> dict[str, Any]:
    """Returns the options with which a fire time's task is submitted."""
    options: dict[str, Any] = {"title": schedule.name, **task_of(schedule).options}
    at = starts_at(schedule, fire_time)
    if at != fire_time:
        options["run_at"] = at
    return {**options, "created_by": schedule.creator, "idempotency_key": schedule.key_of(fire_time)}


def starts_at(schedule: Schedule, fire_time: datetime) -> datetime:
    """Returns when what a fire time submits starts: at the fire time, or by its delay later."""
    return fire_time + timedelta(seconds=jitter_of(schedule.id, fire_time, schedule.fields.jitter_seconds))


def due_workflow(schedule: Schedule, fire_time: datetime, origin: Origin = Origin.TIME) -> Fire:
    """Returns a fire time whose workflow is to be submitted, with a new id for that."""
    at = starts_at(schedule, fire_time) if origin is Origin.TIME else fire_time
    id_ = str(uuid_utils.uuid7())
    return Fire(schedule.id, fire_time, FireOutcome.DUE, origin, workflow_id=id_, submit_at=at)


def task_of(schedule: Schedule) -> What:
    """Returns the task that a schedule of tasks submits."""
    what = schedule.fields.what
    assert isinstance(what, What)
    return what


def fire_due(
    tx: Transaction,
    registry: Registry,
    limits: Limits,
    run_each: RunEach,
    limit: int = SLICE,
    predict: Predict | None = None,
) -> Fired:
    """Fires the schedules that are due, at most `limit`.

    A fire time whose task is not accepted is recorded with the reason, and stops no other.
    """
    fired = Fired()
    found, now = schedule_fires.due(tx, limit)
    if now is not None:
        fired.schedules = len(found)
        fired.is_whole = len(found) == limit
        _Slice(tx, found, now, registry, limits, predict).fire(fired, run_each)
    return fired


class _Slice:
    """The due schedules of one transaction."""

    def __init__(
        self,
        tx: Transaction,
        found: Sequence[Schedule],
        now: datetime,
        registry: Registry,
        limits: Limits,
        predict: Predict | None,
    ) -> None:
        self._tx = tx
        self._now = now
        self._registry = registry
        self._limits = limits
        self._predict = predict
        self._schedules = {one.id: one for one in found}
        self._submissions: dict[str, Submission] = {}
        guarded = [one for one in found if one.fields.overlap is not Overlap.ALLOW]
        of_tasks = [one.id for one in guarded if one.fields.what.kind is Kind.TASK]
        of_workflows = [one.id for one in guarded if one.fields.what.kind is Kind.WORKFLOW]
        self._open = schedule_fires.open_tasks(tx, of_tasks) if of_tasks else {}
        self._with_open_workflow = schedule_fires.with_open_workflow(tx, of_workflows) if of_workflows else set()

    def fire(self, fired: Fired, run_each: RunEach) -> None:
        """Records what is due, and submits the tasks of fire times that nobody has recorded before."""
        wanted: list[Fire] = []
        next_fires: dict[str, datetime | None] = {}
        for schedule in self._schedules.values():
            fires, next_fires[schedule.id] = self._fires_of(schedule)
            wanted += fires
        new = schedule_fires.add(self._tx, wanted)
        kept = [one for one in wanted if one.key in new]
        self._replace(self._insert(kept, fired, run_each), fired)
        schedule_fires.move_on(self._tx, next_fires)

    def _fires_of(self, schedule: Schedule) -> tuple[list[Fire], datetime | None]:
        fields = schedule.fields
        assert schedule.next_fire_at is not None
        due = due_of(schedule.timing, schedule.next_fire_at, self._now, fields.catch_up, fields.catch_up_limit)
        fires = [Fire(schedule.id, at, FireOutcome.MISSED, reason=_missed(due.missed, at, due.has_more_missed))
                 for at in due.missed]  # fmt: skip
        is_open = bool(self._open.get(schedule.id)) or schedule.id in self._with_open_workflow
        for at in due.fired:
            if fields.overlap is Overlap.SKIP and is_open:
                reason = _EARLIER[fields.what.kind]
                fires.append(Fire(schedule.id, at, FireOutcome.SKIPPED, reason=reason))
            elif fields.overlap is Overlap.REPLACE and at != due.fired[-1]:
                reason = msg("a later fire time was due at the same moment")
                fires.append(Fire(schedule.id, at, FireOutcome.REPLACED, reason=reason))
            else:
                fires.append(self._submitting(schedule, at))
                is_open = is_open or fires[-1].outcome is not FireOutcome.REFUSED
        return fires, due.next

    def _submitting(self, schedule: Schedule, at: datetime) -> Fire:
        if schedule.fields.what.kind is Kind.WORKFLOW:
            return due_workflow(schedule, at)
        fire = Fire(schedule.id, at, FireOutcome.SUBMITTED)
        try:
            checked = check_task(schedule, at, self._registry, self._limits, self._now, self._predict)
        except SubmissionError as error:
            return fire.refused(error.text)
        self._submissions[checked.id] = checked
        return Fire(schedule.id, at, FireOutcome.SUBMITTED, task_id=checked.id)

    def _replace(self, fires: Sequence[Fire], fired: Fired) -> None:
        """Cancels the earlier tasks of schedules that want that, for these new ones; locked ones go on."""
        for one in fires:
            schedule = self._schedules[one.schedule_id]
            earlier = {task: at for at, task in self._open.get(schedule.id, ())}
            if schedule.fields.overlap is not Overlap.REPLACE or not earlier:
                continue
            reason = replaced_by(one.fire_time)
            free = commands.lock_open(self._tx, list(earlier))
            if not free:
                continue
            cancelled, below = commands.cancel_many(self._tx, free, schedule.creator, reason)
            fired.cancelled += cancelled
            fired.below += below.left
            schedule_fires.note(
                self._tx,
                [Fire(schedule.id, earlier[task.was.id], FireOutcome.REPLACED, task_id=task.was.id, reason=reason)
                 for task in cancelled],
            )  # fmt: skip

    def _insert(self, fires: Sequence[Fire], fired: Fired, run_each: RunEach) -> list[Fire]:
        """Submits the tasks of fire times; returns those whose task was accepted."""
        by_task = {one.task_id: one for one in fires if one.task_id is not None}
        results: dict[str, str | SubmissionError] = {}

        def run(items: Sequence[Submission]) -> None:
            inserted = submission.insert(self._tx, items)
            fired.waiting.extend(inserted.waiting)
            results.update(zip((one.id for one in items), inserted.ids, strict=True))

        wanted = [self._submissions[task_id] for task_id in by_task]
        if wanted:
            for one in run_each(wanted, run):
                results[one.id] = SubmissionError("input", one.input_json[:80], msg("what PostgreSQL can store"))
        changed = []
        for task_id, fire in by_task.items():
            result = results[task_id]
            if isinstance(result, SubmissionError):
                changed.append(fire.refused(result.text))
            elif result != task_id:  # its key was used, so the task exists
                changed.append(Fire(*fire.key, FireOutcome.SUBMITTED, task_id=result))
        schedule_fires.note(self._tx, changed)
        refused = {one.key for one in changed if one.task_id is None}
        return [one for one in by_task.values() if one.key not in refused]


def replaced_by(fire_time: datetime) -> str:
    """Returns why a fire time's task or workflow was cancelled for a later one."""
    text = fire_time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return msg("replaced by the fire time {time}", time=Moment(fire_time, text))


def check_task(
    schedule: Schedule,
    at: datetime,
    registry: Registry,
    limits: Limits,
    now: datetime,
    predict: Predict | None = None,
) -> Submission:
    """Returns the task of a fire time; raises SubmissionError, also for a type that runs code without the right."""
    what, options = task_of(schedule.at(at)), options_of(schedule, at)
    if registry.get(what.type).is_guarded and not schedule.may_run_code:
        raise SubmissionError(
            "type", what.type, msg("a type whose tasks run no code, as who made the schedule may not submit those")
        )
    made = validate_submission(
        what.type, what.input, **options, registry=registry, limits=limits, now=now, predict=predict
    )
    return msgspec.structs.replace(made, scheduled_for=at)


def _missed(missed: Sequence[datetime], at: datetime, has_more: bool) -> str | None:
    if has_more and at == missed[0]:
        return msg("as all before it since the last one listed")
    return None
