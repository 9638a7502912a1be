"""Defines schedules and their fires, and checks what is said of them (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.schedules.cron import check_cron
from taskyard.core.schedules.due import CatchUp
from taskyard.core.schedules.fire_time import FireTime
from taskyard.core.schedules.moments import check_moment
from taskyard.core.schedules.timing import Timing
from taskyard.core.schedules.what import AnyWhat, check_what
from taskyard.core.schedules.words import in_words

MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS = 1.0, 366 * 86_400.0
MAX_JITTER_SECONDS = 86_400.0
MAX_CATCH_UP, DEFAULT_CATCH_UP_LIMIT = 100, 10
MAX_EXPECTED_SECONDS = 31 * 86_400.0
DEFAULT_EXPECTED_SECONDS = 3600.0  # within which a task is expected to complete, where its schedule does not say
OF_A_SCHEDULE = "schedule:"  # begins the names of those who submit, and their idempotency keys
OF_A_TYPE, OF_A_FILE = "code:", "file:"  # begin the names of owners
DEFAULT_ZONE = "UTC"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


class Overlap(StrEnum):
    """What becomes of a fire time at which an earlier task of the schedule has not ended."""

    ALLOW = "allow"
    SKIP = "skip"
    REPLACE = "replace"


class FireOutcome(StrEnum):
    """What became of a fire time."""

    DUE = "due"  # its workflow is to be submitted, outside the tick
    SUBMITTED = "submitted"
    SKIPPED = "skipped"  # an earlier task had not ended
    REPLACED = "replaced"  # its task or workflow was cancelled for a later one
    MISSED = "missed"  # nobody led then, and it was not caught up
    REFUSED = "refused"  # the task or workflow was not accepted


class Origin(StrEnum):
    """Why a fire time was fired."""

    TIME = "time"
    MANUAL = "manual"
    BACKFILL = "backfill"


@dataclass(frozen=True, slots=True)
class ScheduleFields:
    """What makes up a schedule, checked; exactly one of `cron` and `interval_seconds` is given.

    `expected_seconds`: within which after its fire time a task or workflow should complete; None: the default.
    """

    what: AnyWhat
    cron: str | None = None
    interval_seconds: float | None = None
    time_zone: str = DEFAULT_ZONE
    catch_up: CatchUp = CatchUp.LAST
    catch_up_limit: int = DEFAULT_CATCH_UP_LIMIT
    overlap: Overlap = Overlap.ALLOW
    jitter_seconds: float = 0.0
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    expected_seconds: float | None = None

    def timing(self, anchor: datetime) -> Timing:
        """Returns when it fires; intervals count from the start, or from `anchor`."""
        cron = None if self.cron is None else check_cron(self.cron)
        begin = self.starts_at or anchor
        return Timing(cron, self.interval_seconds, ZoneInfo(self.time_zone), begin, self.starts_at, self.ends_at)

    def as_json(self) -> dict[str, Any]:
        """Returns it as a document."""
        values = {name: getattr(self, name) for name in self.__slots__ if name != "what"}
        written = {n: v.isoformat() if isinstance(v, datetime) else v for n, v in values.items()}
        return {"what": self.what.as_json(), **written}


@dataclass(frozen=True, slots=True)
class Schedule:
    """A stored schedule. `owner` declares it (`code:<type>`, `file:<name>`); empty: it is edited by people."""

    id: str
    name: str
    fields: ScheduleFields
    is_enabled: bool
    owner: str
    may_run_code: bool
    anchor_at: datetime
    next_fire_at: datetime | None
    created_at: datetime
    created_by: str

    @property
    def timing(self) -> Timing:
        return self.fields.timing(self.anchor_at)

    @property
    def creator(self) -> str:
        """Returns the name by which it submits."""
        return f"{OF_A_SCHEDULE}{self.name}"

    def acting(self) -> Actor:
        """Returns the identity that submits for it, and may do nothing else."""
        permissions = {Permission.TASK_SUBMIT} | ({Permission.CODE_SUBMIT} if self.may_run_code else set())
        queues, types = zip(*sorted(self.fields.what.kinds()), strict=True)
        return Actor(self.creator, "schedule", frozenset(permissions), queues, types)

    def at(self, fire_time: datetime) -> Schedule:
        """Returns it with what it submits for a fire time; raises SubmissionError."""
        what = self.fields.what.filled(FireTime(fire_time, self.fields.time_zone))
        return replace(self, fields=replace(self.fields, what=what))

    def key_of(self, fire_time: datetime) -> str:
        """Returns the idempotency key of a fire time's task or workflow."""
        return f"{OF_A_SCHEDULE}{self.id}/{fire_time.astimezone(UTC).isoformat()}"

    def as_json(self) -> dict[str, Any]:
        """Returns it as a document."""
        return {
            "name": self.name,
            "when": str(in_words(self.timing)),
            **self.fields.as_json(),
            "is_enabled": self.is_enabled,
            "owner": self.owner,
            "next_fire_at": None if self.next_fire_at is None else self.next_fire_at.isoformat(),
            "created_at": self.created_at.isoformat(),
            "created_by": self.created_by,
        }


def check_schedule_name(value: object) -> str:
    """Returns a valid name; raises SubmissionError."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise refused("name", value, msg("1 to 100 lower-case letters, digits or ._-, first a letter or digit"))
    return value


def check_zone(value: object) -> str:
    """Returns the name of a known time zone; raises SubmissionError."""
    expected = msg("a time zone such as UTC or Europe/Berlin")
    if not isinstance(value, str) or not value or value == "localtime":
        raise refused("time_zone", value, expected)
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise refused("time_zone", value, expected) from None


def check_schedule(
    *,
    what: object,
    cron: object = None,
    interval_seconds: object = None,
    time_zone: object = DEFAULT_ZONE,
    catch_up: object = CatchUp.LAST,
    catch_up_limit: object = DEFAULT_CATCH_UP_LIMIT,
    overlap: object = Overlap.ALLOW,
    jitter_seconds: object = 0.0,
    starts_at: object = None,
    ends_at: object = None,
    expected_seconds: object = None,
) -> ScheduleFields:
    """Returns what makes up a schedule; whoever knows the task types checks what it submits. Raises SubmissionError."""
    if (cron is None) == (interval_seconds is None):
        raise refused("cron", cron, msg("either a cron expression or interval_seconds"))
    start, end = _moment("starts_at", starts_at), _moment("ends_at", ends_at)
    if start is not None and end is not None and end <= start:
        raise refused("ends_at", ends_at, msg("a time after starts_at"))
    return ScheduleFields(
        what=check_what(what),
        cron=None if cron is None else check_cron(cron).text,
        interval_seconds=_number("interval_seconds", interval_seconds, MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS),
        time_zone=check_zone(time_zone),
        catch_up=CatchUp(_chosen("catch_up", catch_up, CatchUp)),
        catch_up_limit=_whole("catch_up_limit", catch_up_limit, 1, MAX_CATCH_UP),
        overlap=Overlap(_chosen("overlap", overlap, Overlap)),
        jitter_seconds=_number("jitter_seconds", jitter_seconds, 0.0, MAX_JITTER_SECONDS) or 0.0,
        starts_at=start,
        ends_at=end,
        expected_seconds=_number("expected_seconds", expected_seconds, 1.0, MAX_EXPECTED_SECONDS),
    )


def _moment(field: str, value: object) -> datetime | None:
    return None if value is None else check_moment(field, value)


def _number(field: str, value: Any, least: float, most: float) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise refused(field, value, msg("a number from {least:g} to {most:.0f}", least=least, most=most))
    return float(value)


def _whole(field: str, value: Any, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise refused(field, value, msg("a whole number from {least} to {most}", least=least, most=most))
    return value


def _chosen(field: str, value: object, choices: type[StrEnum]) -> str:
    if not isinstance(value, str) or value not in set(choices):
        raise refused(field, value, msg("one of {names}", names=", ".join(choices)))
    return str(value)
