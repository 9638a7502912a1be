"""Manages schedules, as far as an actor may.

A schedule submits as long as it is there, so whoever changes one may operate tasks, and submit those that it submits;
for tasks that run code it keeps whether its maker could. A narrowed role sees and changes the schedules of its queues
and types. Everything raises NotPermitted in addition to the store's errors.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import orjson

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import in_field, refused, together
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import schedule_fires, schedules
from taskyard.core.postgres.store.schedule_fires import PastFire
from taskyard.core.schedules.files import DECLARED
from taskyard.core.schedules.fire_time import FireTime
from taskyard.core.schedules.schedule import FireOutcome, Schedule, ScheduleFields, check_schedule
from taskyard.core.schedules.what import What
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.workflow_check import WorkflowCall

PREVIEWED = 10  # fire times of a preview


def list_schedules(tx: Transaction, actor: Actor) -> list[Schedule]:
    """Returns the schedules that the actor sees, by name."""
    actor.require(Permission.TASK_READ)
    return [_masked(one, actor) for one in schedules.schedules(tx) if sees(actor, one)]


def find(tx: Transaction, actor: Actor, name: str) -> Schedule:
    """Returns a schedule; raises SubmissionError also for one that the actor does not see."""
    actor.require(Permission.TASK_READ)
    found = schedules.get(tx, name)
    if not sees(actor, found):
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
    _check_end(fields, schedules.now(tx))
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
    if fields.ends_at != known.fields.ends_at:
        _check_end(fields, schedules.now(tx))
    return schedules.change(tx, name, fields, acting.actor.name, may_run_code=_may_run_code(acting.actor))


def delete(tx: Transaction, actor: Actor, name: str) -> bool:
    """Removes a schedule that is edited by people; its tasks stay."""
    _editable(tx, actor, name)
    return schedules.delete(tx, name, actor.name)


def switch(tx: Transaction, actor: Actor, name: str, *, is_enabled: bool, reason: str = "") -> bool:
    """Pauses or resumes a schedule, also one that is declared elsewhere; returns False if it was like that."""
    operated(tx, actor, name)
    act = schedules.resume if is_enabled else schedules.pause
    return act(tx, name, actor.name, reason)


def apply(
    tx: Transaction,
    acting: Authorized,
    owner: str,
    declared: Mapping[str, Mapping[str, Any]],
    *,
    is_dry_run: bool = False,
) -> dict[str, list[str]]:
    """Makes the schedules of an owner those that it declares, each by the arguments of `check_schedule`.

    Those that it declares no longer are removed; one that is paused stays so while it is declared. Returns names by
    `added`, `changed` and `removed`; with `is_dry_run` only that. Raises SubmissionError whose parts are all problems,
    by fields such as `schedules.nightly.cron`, also for a name that somebody else's schedule has; nothing is changed
    then.
    """
    known = {one.name: one for one in schedules.schedules(tx)}
    checked: dict[str, ScheduleFields] = {}
    problems: list[SubmissionError] = []
    for name, values in sorted(declared.items()):
        try:
            if name in known and known[name].owner != owner:
                raise refused("name", name, _taken(known[name].owner))
            checked[name] = _checked(acting, check_schedule(**values))
        except SubmissionError as error:
            problems += (in_field(one, f"{DECLARED}.{name}.{one.field}") for one in error.parts or (error,))
    if problems:
        raise together(problems)
    if is_dry_run:
        return {
            "added": sorted(checked.keys() - known.keys()),
            "changed": [name for name in checked if name in known and known[name].fields != checked[name]],
            "removed": _undeclared(known, owner, checked),
        }
    return _apply(tx, acting.actor, owner, checked, known)


def _apply(
    tx: Transaction, actor: Actor, owner: str, checked: Mapping[str, ScheduleFields], known: Mapping[str, Schedule]
) -> dict[str, list[str]]:
    done: dict[str, list[str]] = {"added": [], "changed": [], "removed": _undeclared(known, owner, checked)}
    may_run_code = _may_run_code(actor)
    for name, fields in checked.items():
        if name not in known:
            schedules.create(tx, name, fields, actor.name, may_run_code=may_run_code, owner=owner)
            done["added"].append(name)
        elif schedules.change(tx, name, fields, actor.name, may_run_code=may_run_code, owner=owner):
            done["changed"].append(name)
    for name in done["removed"]:
        schedules.delete(tx, name, actor.name)
    return done


def _undeclared(known: Mapping[str, Schedule], owner: str, declared: Collection[str]) -> list[str]:
    return [name for name, one in sorted(known.items()) if one.owner == owner and name not in declared]


def _taken(owner: str) -> str:
    if not owner:
        return msg("a name that no other schedule has: people edit this one")
    return msg("a name that no other schedule has: {owner} declares this one", owner=owner)


def _checked(acting: Authorized, fields: ScheduleFields) -> ScheduleFields:
    """Checks that the maker may submit these tasks, and returns the schedule with a task's input as it is stored.

    One that asks for the fire time is checked for one, and kept as it is.
    """
    what = fields.what.filled(FireTime(datetime.now(UTC), fields.time_zone))
    for queue, type_ in sorted(what.kinds()):
        acting.actor.require(Permission.TASK_OPERATE, queue=queue, type_=type_)
    if isinstance(what, What):
        task = acting.prepared(what.type, what.input, what.options)
        if what is not fields.what:
            return fields
        return replace(fields, what=replace(what, input=orjson.loads(task.input_json)))
    acting.workflows().check(WorkflowCall(what.name, what.tasks, title=what.title))
    return fields


def _check_end(fields: ScheduleFields, now: datetime) -> None:
    """Raises SubmissionError for an end that has passed; a declared schedule is over then."""
    if fields.ends_at is not None and fields.ends_at <= now:
        raise refused("ends_at", fields.ends_at, msg("a time to come"))


def _given_of(fields: ScheduleFields) -> dict[str, Any]:
    return {name: getattr(fields, name) for name in fields.__slots__}


def operated(tx: Transaction, actor: Actor, name: str) -> Schedule:
    """Returns a schedule whose tasks the actor may all operate; raises SubmissionError and NotPermitted."""
    actor.require(Permission.TASK_OPERATE)
    known = schedules.get(tx, name)
    if not sees(actor, known):
        raise schedules.unknown(name)
    for queue, type_ in sorted(known.fields.what.kinds()):
        actor.require(Permission.TASK_OPERATE, queue=queue, type_=type_)
    return known


def _editable(tx: Transaction, actor: Actor, name: str) -> Schedule:
    known = operated(tx, actor, name)
    if known.owner:
        raise refused("name", name, msg("a schedule that is edited here: {owner} declares it", owner=known.owner))
    return known


def sees(actor: Actor, known: Schedule) -> bool:
    """Returns True if the actor sees the task of a schedule, or one of its workflow's."""
    return any(actor.sees(queue, type_) for queue, type_ in known.fields.what.kinds())


def _masked(known: Schedule, actor: Actor) -> Schedule:
    """Returns a schedule without its inputs if the actor may not see inputs."""
    if actor.may(Permission.PAYLOAD_READ):
        return known
    return replace(known, fields=replace(known.fields, what=known.fields.what.without_inputs()))


def _may_run_code(actor: Actor) -> bool:
    return actor.may(Permission.CODE_SUBMIT)
