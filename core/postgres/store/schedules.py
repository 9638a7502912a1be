"""Stores schedules; each change with its audit row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
import uuid_utils

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.encode import encode_json
from taskyard.core.payload.typed_text import checked
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.schedules.due import CatchUp
from taskyard.core.schedules.schedule import (
    Overlap,
    Schedule,
    ScheduleFields,
    check_schedule_name,
)
from taskyard.core.schedules.what import AnyWhat, What, WorkflowWhat, check_what

MAX_WHAT_BYTES = 1 << 20
NOT_LOADED = WorkflowWhat("", None, {})  # a workflow's definition, which is large, where nobody needs it


def schedules(tx: Transaction) -> list[Schedule]:
    """Returns all schedules by name."""
    return [from_row(row) for row in tx.rows(queries("schedules")["schedules"], {"name": None})]


def find(tx: Transaction, name: str) -> Schedule | None:
    """Returns the schedule of a name; raises SubmissionError for an invalid name."""
    rows = tx.rows(queries("schedules")["schedules"], {"name": check_schedule_name(name)})
    return from_row(rows[0]) if rows else None


def get(tx: Transaction, name: str) -> Schedule:
    """Returns the schedule of a name; raises SubmissionError."""
    found = find(tx, name)
    if found is None:
        raise unknown(name)
    return found


def locked(tx: Transaction, name: str) -> tuple[Schedule, datetime]:
    """Returns a schedule that does not fire before this transaction ends, and the database's time.

    Raises SubmissionError.
    """
    rows = tx.rows(queries("schedules")["lock_schedule"], {"name": check_schedule_name(name)})
    if not rows:
        raise unknown(name)
    return get(tx, name), rows[0][0]


def unknown(name: str) -> SubmissionError:
    return refused("name", name, msg("the name of a schedule"))


def owned(tx: Transaction, kind: str) -> list[tuple[str, str]]:
    """Returns (name, owner) of the schedules whose owner begins with `kind`."""
    pattern = kind.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    return [(name, owner) for name, owner in tx.rows(queries("schedules")["owned_schedules"], {"owner": pattern})]


def now(tx: Transaction) -> datetime:
    """Returns the database's time."""
    found: datetime = tx.rows(queries("schedules")["transaction_time"], {})[0][0]
    return found


def create(
    tx: Transaction, name: str, fields: ScheduleFields, actor: str, *, may_run_code: bool, owner: str = ""
) -> None:
    """Adds a schedule that fires from now on; raises SubmissionError."""
    moment = now(tx)
    parameters = {
        **_parameters(check_schedule_name(name), fields, actor, may_run_code, owner),
        "id": str(uuid_utils.uuid7()),
        "anchor_at": moment,
        "next_fire_at": fields.timing(moment).next_after(moment),
    }
    if not tx.rows(queries("schedules")["create_schedule"], parameters):
        raise refused("name", name, msg("a name that no schedule has"))


def change(
    tx: Transaction, name: str, fields: ScheduleFields, actor: str, *, may_run_code: bool, owner: str = ""
) -> bool:
    """Changes a schedule; returns False if it was like that. Raises SubmissionError.

    Fire times that are due under the old rule fire by the new one. Without another interval, intervals go on from
    where they were.
    """
    known, moment = locked(tx, name)
    if (known.fields, known.owner) == (fields, owner):
        return False
    anchor = known.anchor_at if known.fields.interval_seconds == fields.interval_seconds else moment
    after = moment if known.next_fire_at is None else min(moment, known.next_fire_at)
    timing = fields.timing(anchor)
    if known.timing == timing:
        next_fire = known.next_fire_at
    elif timing.cron is None and timing.anchor == moment:  # a new interval begins now
        next_fire = timing.next_after(moment)
    else:
        next_fire = next(timing.between(after, after), None) or timing.next_after(after)
    parameters = {
        **_parameters(name, fields, actor, may_run_code, owner),
        "anchor_at": anchor,
        "next_fire_at": next_fire if known.is_enabled else None,
    }
    return bool(tx.rows(queries("schedules")["change_schedule"], parameters))


def pause(tx: Transaction, name: str, actor: str, reason: str = "") -> bool:
    """Lets a schedule fire no more; returns False if it was paused. Raises SubmissionError."""
    locked(tx, name)
    return _switch(tx, name, actor, reason, is_enabled=False, next_fire=None)


def resume(tx: Transaction, name: str, actor: str, reason: str = "") -> bool:
    """Lets a schedule fire from now on; what would have fired meanwhile is not made up for.

    Returns False if it was not paused. Raises SubmissionError.
    """
    known, moment = locked(tx, name)
    return _switch(tx, name, actor, reason, is_enabled=True, next_fire=known.timing.next_after(moment))


def delete(tx: Transaction, name: str, actor: str) -> bool:
    """Removes a schedule; returns False if there is none. Raises SubmissionError."""
    parameters = {"name": check_schedule_name(name), "actor": actor}
    return bool(tx.rows(queries("schedules")["delete_schedule"], parameters))


def note_fired_by_hand(tx: Transaction, event: str, actor: str, detail: dict[str, Any]) -> None:
    """Writes the audit row of tasks that somebody had a schedule submit."""
    parameters = {"event": event, "actor": actor, "detail": orjson.dumps(detail).decode()}
    tx.rows(queries("schedules")["note_fired_by_hand"], parameters)


def from_row(row: Sequence[Any]) -> Schedule:
    """Makes a schedule of the columns of `schedules`; without `what` it is a workflow's, NOT_LOADED."""
    id_, name, cron, interval, zone, what, is_enabled, catch_up, limit, overlap, *others = row[:14]
    submitted = NOT_LOADED if what is None else check_what(orjson.loads(what))
    fields = ScheduleFields(submitted, cron, interval, zone, CatchUp(catch_up), limit, Overlap(overlap), *others)
    return Schedule(id_, name, fields, is_enabled, *row[14:20])


def _switch(
    tx: Transaction, name: str, actor: str, reason: str, *, is_enabled: bool, next_fire: datetime | None
) -> bool:
    parameters = {
        "name": name,
        "actor": actor,
        "reason": checked("reason", reason, is_required=False),
        "is_enabled": is_enabled,
        "next_fire_at": next_fire,
    }
    return bool(tx.rows(queries("schedules")["switch_schedule"], parameters))


def _parameters(name: str, fields: ScheduleFields, actor: str, may_run_code: bool, owner: str) -> dict[str, Any]:
    document = fields.as_json()
    what = document.pop("what")
    # an input is not for the audit log
    detail = {"owner": owner, **_said_of(fields.what), **document}
    return {
        **{name: getattr(fields, name) for name in fields.__slots__ if name != "what"},
        "catch_up": fields.catch_up.value,
        "overlap": fields.overlap.value,
        "kind": fields.what.kind.value,
        "what": encode_json("what", what, MAX_WHAT_BYTES).decode(),
        "name": name,
        "owner": owner,
        "may_run_code": may_run_code,
        "actor": actor,
        "detail": orjson.dumps(detail).decode(),
    }


def _said_of(what: AnyWhat) -> dict[str, Any]:
    """Returns what the audit log keeps of what is submitted."""
    if isinstance(what, What):
        return {"type": what.type, "queue": what.queue}
    return {"workflow": what.name, "tasks": sum(1 for _ in what.members())}
