"""Reads and changes schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import SubmissionError
from taskyard.core.payload.culprits import together
from taskyard.core.payload.json_literals import read_json
from taskyard.core.postgres.store import schedule_fires
from taskyard.core.postgres.store.schedule_fires import PastFire
from taskyard.core.schedules.declarations import workflow_what
from taskyard.core.schedules.fire_time import FireTime
from taskyard.core.schedules.schedule import DEFAULT_ZONE, Schedule, ScheduleFields
from taskyard.core.schedules.what import Kind
from taskyard.core.submission import authorized_fires, authorized_schedules
from taskyard.core.submission.authorized_fires import Backfill
from taskyard.core.submission.authorized_schedules import PREVIEWED
from taskyard.core.submission.open_servers import Servers
from taskyard.core.submission.workflow_check import WorkflowCall
from taskyard.core.views.seeing import sees_type
from taskyard.core.workflows.files import WorkflowFile
from taskyard.dashboard.data.base import connections, forget, now
from taskyard.dashboard.data.readings import seen
from taskyard.dashboard.data.viewer import acting, actor, viewer
from taskyard.dashboard.pages.schedules.outcomes import WEEKS

MAX_CARDS = 50
STRIP_FIRES, DETAIL_FIRES = 30, 200
CALENDAR_DAYS = 7 * WEEKS


@dataclass(frozen=True, slots=True)
class Found:
    """The schedules that match, the first MAX_CARDS of them with their last fire times, oldest first."""

    shown: tuple[tuple[Schedule, tuple[PastFire, ...]], ...]
    count: int
    is_any: bool


@dataclass(frozen=True, slots=True)
class Detail:
    """A schedule with its last fire times, newest first, its next ones, and outcomes by day in its zone."""

    schedule: Schedule
    fires: tuple[PastFire, ...]
    next_fires: tuple[datetime, ...]
    days: Mapping[date, Mapping[str, int]]


def may_operate() -> bool:
    """Returns True if the viewer may change schedules, as of some seconds ago."""
    return viewer().may(Permission.TASK_OPERATE)


@seen()
def found(servers: Servers, sight: Actor, text: str) -> Found:
    """Returns the schedules whose name, owner, workflow or types have a text in them."""
    with servers.database.transaction() as tx:
        known = authorized_schedules.list_schedules(tx, sight)
        matching = [one for one in known if _matches(one, text.strip().lower())]
        cards = matching[:MAX_CARDS]
        fires = schedule_fires.last_fires(tx, [one.id for one in cards], STRIP_FIRES)
    shown = tuple(
        (one, tuple(authorized_schedules.masked_fire(fire, sight) for fire in fires[one.id])) for one in cards
    )
    return Found(shown, len(matching), bool(known))


@seen()
def detail(servers: Servers, sight: Actor, name: str) -> tuple[Detail, ...]:
    """Returns everything about one schedule; nothing if there is none of this name."""
    with servers.database.transaction() as tx:
        try:
            known = authorized_schedules.find(tx, sight, name)
        except SubmissionError:
            return ()
        fires = authorized_schedules.fires(tx, sight, name, limit=DETAIL_FIRES)
        zone = known.fields.time_zone
        days = schedule_fires.days(tx, known.id, now() - timedelta(days=CALENDAR_DAYS), zone)
    next_fires = tuple(islice(known.timing.after(now()), PREVIEWED)) if known.is_enabled else ()
    return (Detail(known, tuple(fires), next_fires, days),)


def current(name: str) -> Schedule:
    """Returns a schedule as it is now, to who may change it.

    Raises SubmissionError if there is none of this name, NotPermitted and Unavailable.
    """
    with connections().database.transaction() as tx:
        return authorized_schedules.operated(tx, actor(), name)


def type_names() -> list[str]:
    """Returns the names of the task types that the viewer may see, of this process and of agents."""
    servers, who = connections(), viewer()
    published = servers.published.all() if servers.published is not None else {}
    return sorted(name for name in {*servers.registry.types, *published} if sees_type(who, name))


def preview(fields: ScheduleFields) -> Sequence[datetime]:
    """Returns the next fire times of what may become a schedule."""
    return authorized_schedules.preview(fields, now())


def save(name: str, given: Mapping[str, Any], *, is_new: bool) -> bool:
    """Adds or changes a schedule; returns False if it was like that. Raises SubmissionError, NotPermitted,
    Unavailable.
    """
    allowed = acting()
    with connections().database.transaction() as tx:
        if is_new:
            authorized_schedules.create(tx, allowed, name, **given)
            is_changed = True
        else:
            is_changed = authorized_schedules.change(tx, allowed, name, **given)
    forget()
    return is_changed


def switch(name: str, *, is_enabled: bool, reason: str = "") -> bool:
    """Pauses or resumes a schedule; returns False if it was like that. Raises NotPermitted or Unavailable."""
    who = actor()
    with connections().database.transaction() as tx:
        is_changed = authorized_schedules.switch(tx, who, name, is_enabled=is_enabled, reason=reason)
    forget()
    return is_changed


def remove(name: str) -> bool:
    """Removes a schedule. Raises SubmissionError, NotPermitted or Unavailable."""
    who = actor()
    with connections().database.transaction() as tx:
        is_changed = authorized_schedules.delete(tx, who, name)
    forget()
    return is_changed


def run(name: str) -> Kind:
    """Submits its task or workflow now, and returns which. Raises SubmissionError, NotPermitted or Unavailable."""
    allowed = acting()
    with connections().database.transaction() as tx:
        ran = authorized_fires.run(tx, allowed, name)
    ran.wake(allowed)
    forget()
    return ran.kind


def count_backfill(name: str, since: datetime, until: datetime) -> Backfill:
    """Returns what a backfill would submit. Raises SubmissionError, NotPermitted or Unavailable."""
    who = actor()
    with connections().database.transaction() as tx:
        return authorized_fires.count_backfill(tx, who, name, since, until)


def backfill(name: str, since: datetime, until: datetime) -> int:
    """Submits it, and returns for how many fire times. Raises SubmissionError, NotPermitted or Unavailable."""
    allowed = acting()
    with connections().database.transaction() as tx:
        made = authorized_fires.backfill(tx, allowed, name, since, until)
    made.wake(allowed)
    forget()
    return len(made.ids)


def read_input(text: str) -> Any:
    """Returns the input that a text has as JSON; raises SubmissionError."""
    if not text.strip():
        return None
    return read_json("input", text, connections().settings.input_limit_bytes)


def checked_workflow(file: WorkflowFile) -> dict[str, Any]:
    """Returns the workflow that a text defines, as a schedule submits it; raises SubmissionError, each of whose parts
    names its line, NotPermitted or Unavailable.
    """
    try:
        what = workflow_what(file.given)
        tasks = FireTime(now(), DEFAULT_ZONE).filled_tasks(what["tasks"], "tasks") if what["tasks"] else what["tasks"]
        acting().workflows().check(WorkflowCall(what["name"], tasks, title=what["title"]))
    except SubmissionError as error:
        raise together(file.located(error)) from None
    return what


def _matches(one: Schedule, text: str) -> bool:
    what = one.fields.what
    parts = (one.name, one.owner, what.label, *(type_ for _queue, type_ in what.kinds()))
    return not text or any(text in part.lower() for part in parts)
