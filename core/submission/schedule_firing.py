"""Fires schedules that are due, inside the leader's tick.

One transaction records a fire time, inserts its task and sets the next fire time. So each fire time submits once or,
by the schedule's policy, not at all, whoever is killed or takes over: what is not committed is due again, and what is
committed has its row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.models import Submission, Waiting
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import commands, dependants, schedule_fires, submission
from taskyard.core.postgres.store.commands import Cancelled
from taskyard.core.postgres.store.schedule_fires import Fire
from taskyard.core.schedules.due import due_of, jitter_of
from taskyard.core.schedules.schedule import FireOutcome, Overlap, Schedule
from taskyard.core.submission.validate import Limits, validate_submission
from taskyard.core.task_types.registry import Registry

SLICE = 100  # schedules in one transaction

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
    options: dict[str, Any] = {"title": schedule.name, **schedule.fields.what.options}
    delay = jitter_of(schedule.id, fire_time, schedule.fields.jitter_seconds)
    if delay:
        options["run_at"] = fire_time + timedelta(seconds=delay)
    return {**options, "created_by": schedule.acting().name, "idempotency_key": schedule.key_of(fire_time)}


def fire_due(tx: Transaction, registry: Registry, limits: Limits, run_each: RunEach, limit: int = SLICE) -> Fired:
    """Fires the schedules that are due, at most `limit`.

    A fire time whose task is not accepted is recorded with the reason, and stops no other.
    """
    fired = Fired()
    found, now = schedule_fires.due(tx, limit)
    if now is not None:
        fired.schedules = len(found)
        fired.is_whole = len(found) == limit
        _Slice(tx, found, now, registry, limits).fire(fired, run_each)
    return fired


class _Slice:
    """The due schedules of one transaction."""

    def __init__(
        self, tx: Transaction, found: Sequence[Schedule], now: datetime, registry: Registry, limits: Limits
    ) -> None:
        self._tx = tx
        self._now = now
        self._registry = registry
        self._limits = limits
        self._schedules = {one.id: one for one in found}
        self._submissions: dict[str, Submission] = {}
        guarded = [one.id for one in found if one.fields.overlap is not Overlap.ALLOW]
        self._open = schedule_fires.open_tasks(tx, guarded) if guarded else {}

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
        is_open = bool(self._open.get(schedule.id))
        for at in due.fired:
            if fields.overlap is Overlap.SKIP and is_open:
                reason = msg("an earlier task of the schedule had not ended")
                fires.append(Fire(schedule.id, at, FireOutcome.SKIPPED, reason=reason))
            elif fields.overlap is Overlap.REPLACE and at != due.fired[-1]:
                reason = msg("a later fire time was due at the same moment")
                fires.append(Fire(schedule.id, at, FireOutcome.REPLACED, reason=reason))
            else:
                fires.append(self._submitting(schedule, at))
                is_open = is_open or fires[-1].task_id is not None
        return fires, due.next

    def _submitting(self, schedule: Schedule, at: datetime) -> Fire:
        fire = Fire(schedule.id, at, FireOutcome.SUBMITTED)
        try:
            checked = check_task(schedule, options_of(schedule, at), self._registry, self._limits, self._now)
        except SubmissionError as error:
            return fire.refused(str(error))
        self._submissions[checked.id] = checked
        return Fire(schedule.id, at, FireOutcome.SUBMITTED, task_id=checked.id)

    def _replace(self, fires: Sequence[Fire], fired: Fired) -> None:
        """Cancels the earlier tasks of schedules that want that, for these new ones; locked ones go on."""
        for one in fires:
            schedule = self._schedules[one.schedule_id]
            earlier = {task: at for at, task in self._open.get(schedule.id, ())}
            if schedule.fields.overlap is not Overlap.REPLACE or not earlier:
                continue
            reason = msg("replaced by the fire time {time}", time=one.fire_time.isoformat())
            free = commands.lock_open(self._tx, list(earlier))
            if not free:
                continue
            cancelled, below = commands.cancel_many(self._tx, free, schedule.acting().name, reason)
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
                changed.append(fire.refused(str(result)))
            elif result != task_id:  # its key was used, so the task exists
                changed.append(Fire(*fire.key, FireOutcome.SUBMITTED, task_id=result))
        schedule_fires.note(self._tx, changed)
        refused = {one.key for one in changed if one.task_id is None}
        return [one for one in by_task.values() if one.key not in refused]


def check_task(
    schedule: Schedule, options: Mapping[str, Any], registry: Registry, limits: Limits, now: datetime
) -> Submission:
    """Returns the task of a fire time; raises SubmissionError, also for a type that runs code without the right."""
    what = schedule.fields.what
    if registry.get(what.type).is_guarded and not schedule.may_run_code:
        raise SubmissionError(
            "type", what.type, msg("a type whose tasks run no code, as who made the schedule may not submit those")
        )
    return validate_submission(what.type, what.input, **options, registry=registry, limits=limits, now=now)


def _missed(missed: Sequence[datetime], at: datetime, has_more: bool) -> str | None:
    if has_more and at == missed[0]:
        return msg("as all before it since the last one listed")
    return None
