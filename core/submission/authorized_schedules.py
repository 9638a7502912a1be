"""Manages schedules, and has them submit tasks, as far as an actor may.

A schedule submits as long as it is there, so whoever changes one may operate tasks, and submit those that it submits;
for tasks that run code it keeps whether its maker could. A narrowed role sees and changes the schedules of its queues
and types. Everything raises NotPermitted in addition to the store's errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

import orjson

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.i18n import msg
from taskyard.core.models import Submission
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import schedule_fires, schedules, submission
from taskyard.core.postgres.store.schedule_fires import Fire, PastFire
from taskyard.core.schedules.schedule import FireOutcome, Origin, Schedule, ScheduleFields, check_schedule
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.schedule_firing import options_of

MAX_BACKFILL = 1_000  # fire times of one backfill
PREVIEWED = 10  # fire times of a preview


@dataclass(frozen=True, slots=True)
class Backfill:
    """Fire times of a span: those to submit, and how many have submitted a task already."""

    to_submit: tuple[datetime, ...]
    submitted_before: int


def list_schedules(tx: Transaction, actor: Actor) -> list[Schedule]:
    """Returns the schedules that the actor sees, by name."""
    actor.require(Permission.TASK_READ)
    return [_masked(one, actor) for one in schedules.schedules(tx) if _sees(actor, one)]


def find(tx: Transaction, actor: Actor, name: str) -> Schedule:
    """Returns a schedule; raises SubmissionError also for one that the actor does not see."""
    actor.require(Permission.TASK_READ)
    found = schedules.get(tx, name)
    if not _sees(actor, found):
        raise schedules.unknown(name)
    return _masked(found, actor)


def fires(
    tx: Transaction, actor: Actor, name: str, *, before: datetime | None = None, limit: int = 50
) -> list[PastFire]:
    """See core.postgres.store.schedule_fires; a reason is hidden from those who may not see inputs."""
    found = schedule_fires.fires(tx, find(tx, actor, name).id, before=before, limit=limit)
    return [masked_fire(one, actor) for one in found]


def masked_fire(fire: PastFire, actor: Actor) -> PastFire:
    """Returns a fire time as an actor may see it: why a task was not accepted may show a part of its input."""
    if actor.may(Permission.PAYLOAD_READ) or fire.outcome is not FireOutcome.REFUSED:
        return fire
    return replace(fire, reason="…")


def preview(fields: ScheduleFields, now: datetime, count: int = PREVIEWED) -> list[datetime]:
    """Returns the next fire times of what may become a schedule, in UTC."""
    return list(islice(fields.timing(now).after(now), count))


def create(tx: Transaction, acting: Authorized, name: str, /, *, owner: str = "", **given: Any) -> ScheduleFields:
    """Adds a schedule from the arguments of `check_schedule`; raises SubmissionError."""
    fields = _checked(acting, check_schedule(**given))
    schedules.create(tx, name, fields, acting.actor.name, may_run_code=_may_run_code(acting.actor), owner=owner)
    return fields


def change(tx: Transaction, acting: Authorized, name: str, /, **given: Any) -> bool:
    """Changes what is given of a schedule, and leaves the rest; returns False if it was like that.

    A cron expression replaces an interval, and the other way round. Raises SubmissionError, also for a schedule that
    is declared elsewhere.
    """
    known = _editable(tx, acting.actor, name)
    values = _given_of(known.fields)
    if given.get("cron") is not None:
        values["interval_seconds"] = None
    if given.get("interval_seconds") is not None:
        values["cron"] = None
    fields = _checked(acting, check_schedule(**{**values, **given}))
    return schedules.change(tx, name, fields, acting.actor.name, may_run_code=_may_run_code(acting.actor))


def delete(tx: Transaction, actor: Actor, name: str) -> bool:
    """Removes a schedule that is edited by people; its tasks stay."""
    _editable(tx, actor, name)
    return schedules.delete(tx, name, actor.name)


def switch(tx: Transaction, actor: Actor, name: str, *, is_enabled: bool, reason: str = "") -> bool:
    """Pauses or resumes a schedule, also one that is declared elsewhere; returns False if it was like that."""
    _operated(tx, actor, name)
    act = schedules.resume if is_enabled else schedules.pause
    return act(tx, name, actor.name, reason)


def run(tx: Transaction, acting: Authorized, name: str) -> str:
    """Submits the schedule's task now, beside its fire times and whatever runs; returns the task's id.

    Call `Submitter.wake` after the commit.
    """
    _operated(tx, acting.actor, name)
    known, now = schedules.locked(tx, name)
    task = _task_of(acting, known, now)
    inserted = submission.insert(tx, [task]).ids[0]
    if not isinstance(inserted, str):
        raise inserted
    schedule_fires.add(tx, [Fire(known.id, now, FireOutcome.SUBMITTED, Origin.MANUAL, inserted)])
    schedules.note_fired_by_hand(tx, "schedule_run", acting.actor.name, {"name": name, "task": inserted})
    return inserted


def count_backfill(tx: Transaction, actor: Actor, name: str, since: datetime, until: datetime) -> Backfill:
    """Returns what a backfill of a span would submit; raises SubmissionError."""
    known = find(tx, actor, name)
    return _backfill_of(tx, known, since, until, schedules.now(tx))


def backfill(tx: Transaction, acting: Authorized, name: str, since: datetime, until: datetime) -> list[str]:
    """Submits a task for each fire time of a span that has submitted none, all or nothing; returns the tasks' ids.

    Each fire time counts once, so a span can be filled again. Call `Submitter.wake` after the commit.
    """
    _operated(tx, acting.actor, name)
    known, now = schedules.locked(tx, name)
    times = _backfill_of(tx, known, since, until, now).to_submit
    if not times:
        return []
    tasks = {at: _task_of(acting, known, at) for at in times}
    filled = [Fire(known.id, at, FireOutcome.SUBMITTED, Origin.BACKFILL, tasks[at].id) for at in times]
    new = {at for _, at in schedule_fires.fill(tx, filled)}
    found = submission.insert(tx, [tasks[at] for at in times if at in new]).ids
    for one in found:
        if not isinstance(one, str):
            raise one
    detail = {"name": name, "since": since.isoformat(), "until": until.isoformat(), "count": len(found)}
    schedules.note_fired_by_hand(tx, "schedule_backfilled", acting.actor.name, detail)
    return [str(one) for one in found]


def apply(
    tx: Transaction, acting: Authorized, owner: str, declared: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """Makes the schedules of an owner those that it declares, each by the arguments of `check_schedule`.

    Those that it declares no longer are removed; that one is paused stays. Returns names by `added`, `changed` and
    `removed`. Raises SubmissionError, also for a name that somebody else's schedule has; nothing is changed then.
    """
    checked = {name: _checked(acting, check_schedule(**values)) for name, values in declared.items()}
    return _apply(tx, acting.actor, owner, checked)


def _apply(tx: Transaction, actor: Actor, owner: str, checked: Mapping[str, ScheduleFields]) -> dict[str, list[str]]:
    known = {one.name: one for one in schedules.schedules(tx)}
    done: dict[str, list[str]] = {"added": [], "changed": [], "removed": []}
    may_run_code = _may_run_code(actor)
    for name, fields in sorted(checked.items()):
        if name in known and known[name].owner != owner:
            raise refused("name", name, msg("a name that no other schedule has"))
        if name not in known:
            schedules.create(tx, name, fields, actor.name, may_run_code=may_run_code, owner=owner)
            done["added"].append(name)
        elif schedules.change(tx, name, fields, actor.name, may_run_code=may_run_code, owner=owner):
            done["changed"].append(name)
    for name, one in sorted(known.items()):
        if one.owner == owner and name not in checked:
            schedules.delete(tx, name, actor.name)
            done["removed"].append(name)
    return done


def _checked(acting: Authorized, fields: ScheduleFields) -> ScheduleFields:
    """Checks that the maker may submit these tasks, and returns the schedule with the input as it is stored."""
    acting.actor.require(Permission.TASK_OPERATE, queue=fields.what.queue, type_=fields.what.type)
    what = fields.what
    task = acting.prepared(what.type, what.input, what.options)
    return replace(fields, what=replace(what, input=orjson.loads(task.input_json)))


def _task_of(acting: Authorized, known: Schedule, fire_time: datetime) -> Submission:
    what = known.fields.what
    options = options_of(known, fire_time)
    options.pop("run_at", None)
    return acting.prepared(what.type, what.input, options, options.pop("created_by"))


def _backfill_of(tx: Transaction, known: Schedule, since: datetime, until: datetime, now: datetime) -> Backfill:
    for field, moment in (("since", since), ("until", until)):
        if moment.utcoffset() is None:
            raise refused(field, moment.isoformat(), msg("a time with a time zone"))
    if until > now or until < since:
        raise refused("until", until.isoformat(), msg("a time from `since` until now"))
    # fire times before an interval's first one are none
    found = list(islice(known.timing.between(since, until), MAX_BACKFILL + 1))
    if len(found) > MAX_BACKFILL:
        raise refused("since", since.isoformat(), msg("a span of at most {limit} fire times", limit=MAX_BACKFILL))
    before = schedule_fires.submitted_between(tx, known.id, since, until)
    to_submit = tuple(at for at in found if at not in before)
    return Backfill(to_submit, len(found) - len(to_submit))


def _given_of(fields: ScheduleFields) -> dict[str, Any]:
    values = asdict(fields)
    return {**values, "what": fields.what}


def _operated(tx: Transaction, actor: Actor, name: str) -> Schedule:
    actor.require(Permission.TASK_OPERATE)
    known = schedules.get(tx, name)
    if not _sees(actor, known):
        raise schedules.unknown(name)
    what = known.fields.what
    actor.require(Permission.TASK_OPERATE, queue=what.queue, type_=what.type)
    return known


def _editable(tx: Transaction, actor: Actor, name: str) -> Schedule:
    known = _operated(tx, actor, name)
    if known.owner:
        raise refused("name", name, msg("a schedule that is edited here: {owner} declares it", owner=known.owner))
    return known


def _sees(actor: Actor, known: Schedule) -> bool:
    return actor.sees(known.fields.what.queue, known.fields.what.type)


def _masked(known: Schedule, actor: Actor) -> Schedule:
    """Returns a schedule without its input if the actor may not see inputs."""
    if actor.may(Permission.PAYLOAD_READ):
        return known
    return replace(known, fields=replace(known.fields, what=replace(known.fields.what, input=None)))


def _may_run_code(actor: Actor) -> bool:
    return actor.may(Permission.CODE_SUBMIT)


def check_moment(field: str, text: str) -> datetime:
    """Returns a time with a zone; raises SubmissionError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.utcoffset() is None:
        raise refused(field, text, msg("an ISO 8601 time with a time zone such as 2030-01-31T12:00:00+00:00"))
    return found
