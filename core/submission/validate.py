"""Validates submissions completely before any other code sees them (pure; time is an argument)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import uuid_utils
from pydantic import BaseModel

from taskyard.core.edges import Condition
from taskyard.core.i18n import msg
from taskyard.core.ids import ID_PATTERN, is_id
from taskyard.core.learning.keys import input_size
from taskyard.core.learning.prediction import Predict
from taskyard.core.new_task import Given, Submission
from taskyard.core.payload.culprits import refused, required
from taskyard.core.payload.encode import check_text, encode_input, exact
from taskyard.core.payload.storable_json import refusal
from taskyard.core.schedules.schedule import OF_A_SCHEDULE
from taskyard.core.states import Priority
from taskyard.core.submission.priorities import PRIORITIES, check_priority
from taskyard.core.task_types.registry import MAX_TIMEOUT_SECONDS, Registry, TaskType

if TYPE_CHECKING:
    from taskyard.core.config import Settings  # which handlers' processes do without

MAX_TITLE_LENGTH = 200
MAX_TAGS = 32
MAX_PARENTS = 1000
MAX_ATTEMPTS = 100
MAX_AHEAD_SECONDS = 10 * 366 * 24 * 3600
FIRST_YEAR = 2000

_LABEL = re.compile(r"[a-z0-9._-]{1,64}")
_LABEL_TEXT = msg("1 to 64 lower-case letters, digits or ._-")
_TAGS, _IDS = msg("tags"), msg("task ids")
OF_A_HOOK = "hook:"
_OF_A_CHILD = re.compile(f"{ID_PATTERN}/", re.IGNORECASE)
_DEFAULT_PRIORITY = Priority.MEDIUM.label
# Defaults, compared by identity: comparing what a caller gave would run the caller's code.
DEFAULT_QUEUE, _NOBODY = "default", ""
NOTHING: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest input and output of a task in bytes of JSON, and the pending tasks allowed per creator (0:
    unlimited).
    """

    input_limit_bytes: int
    output_limit_bytes: int
    pending_limit_per_creator: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Returns the limits in the settings."""
        return cls(settings.input_limit_bytes, settings.output_limit_bytes, settings.pending_limit_per_creator)


def validate_submission(
    type: str,
    input: Mapping[str, object] | BaseModel | None = None,
    *,
    title: str | None = None,
    queue: str = DEFAULT_QUEUE,
    priority: str | Priority = _DEFAULT_PRIORITY,
    timeout_seconds: float | None = None,
    max_attempts: int | None = None,
    delay_seconds: float | None = None,
    run_at: datetime | str | None = None,
    requires: Iterable[str] = NOTHING,
    idempotency_key: str | None = None,
    created_by: str = _NOBODY,
    creator_agent_id: str | None = None,
    parent_id: str | None = None,
    after: Iterable[str] = NOTHING,
    when: str = Condition.COMPLETED,
    registry: Registry,
    limits: Limits,
    now: datetime,
    predict: Predict | None = None,
) -> Submission:
    """Validates every part of a submission and gives it an id (UUIDv7).

    Options that are None come from the task type. `run_at` is an aware datetime or its ISO 8601 text; `after` holds
    the ids of tasks to wait for, and `when` how they must end: completed, ended or failed. `predict` predicts its run
    time. Raises SubmissionError (UnknownTaskType for `type`) naming the field, its value and what was expected.
    """
    task_type = _task_type(type, registry)
    own_tags = _tags(requires)
    queue_name = "default" if queue is DEFAULT_QUEUE else check_label("queue", queue)
    heading = None if title is None else check_title(title)
    rank = PRIORITIES[_DEFAULT_PRIORITY] if priority is _DEFAULT_PRIORITY else check_priority(priority)
    input_json = encode_input(task_type.input_model, input, limits.input_limit_bytes)
    creator = "" if created_by is _NOBODY else check_creator(created_by)
    size = input_size(task_type.predict_by, input_json)
    return Submission(
        id=str(uuid_utils.uuid7()),
        type=task_type.name,
        queue=queue_name,
        title=heading,
        priority=rank,
        input_json=input_json,
        requires=own_tags if not task_type.requires else _with_those_of(task_type, own_tags),
        timeout_seconds=task_type.timeout_seconds if timeout_seconds is None else _timeout(timeout_seconds),
        max_attempts=task_type.retry.max_attempts if max_attempts is None else _max_attempts(max_attempts),
        run_at=None if run_at is None else _run_at(run_at, delay_seconds, now),
        delay_seconds=None if delay_seconds is None else _delay(delay_seconds),
        idempotency_key=None if idempotency_key is None else check_key(idempotency_key, parent_id, created_by),
        created_by=creator,
        creator_agent_id=None if creator_agent_id is None else check_text("creator_agent_id", creator_agent_id),
        parent_id=None if parent_id is None else _uuid("parent_id", parent_id),
        after=() if after is NOTHING else _after(after),
        when=Condition.COMPLETED if when is Condition.COMPLETED else _when(when),
        pending_limit=limits.pending_limit_per_creator,
        given=_given(idempotency_key, own_tags, timeout_seconds, max_attempts),
        size=size,
        predicted=None if predict is None else predict(queue_name, task_type.name, creator, size, rank),
    )


def _given(key: object, tags: tuple[str, ...], timeout_seconds: object, max_attempts: object) -> Given | None:
    return None if key is None else Given(tags, timeout_seconds is not None, max_attempts is not None)


def check_output(output_json: bytes | str, limit_bytes: int) -> str | None:
    """Returns why a task's output can't be stored (one line), or None if it can be."""
    problem = refusal(output_json, limit_bytes)
    return None if problem is None else f"the output {problem}"


def _task_type(name: object, registry: Registry) -> TaskType:
    if name is None:
        raise required("type", msg("the name of a task type"))
    if not isinstance(name, str):
        raise refused("type", name, msg("the name of a task type"))
    return registry.get(exact(name))


def check_title(value: object) -> str:
    """Returns a title that is not blank; raises SubmissionError."""
    if isinstance(value, str) and not exact(value).strip():
        raise refused("title", value, msg("a text that is not blank, or none at all"))
    return check_text("title", value, MAX_TITLE_LENGTH)


def check_label(field: str, value: object) -> str:
    """Returns a valid name of a queue or tag; raises SubmissionError naming the field."""
    if not isinstance(value, str) or not _LABEL.fullmatch(value):
        raise refused(field, value, _LABEL_TEXT)
    return exact(value)


def check_creator(value: object) -> str:
    """Returns the submitter's name, possibly empty; raises SubmissionError."""
    return "" if isinstance(value, str) and not exact(value) else check_text("created_by", value)


def _listed(field: str, value: object, limit: int, of: str) -> list[object]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise refused(field, value, msg("a list of {things}", things=of))
    try:
        items = list(islice(value, limit + 1))
    except Exception as error:  # of the caller's own iterable
        raise refused(field, value, msg("a list of {things}", things=of)) from error
    if len(items) > limit:
        raise refused(field, value, msg("at most {limit} {things}", limit=limit, things=of))
    return items


def _tags(given: object) -> tuple[str, ...]:
    if given is NOTHING:
        return ()
    tags = {check_label(f"requires.{at}", tag) for at, tag in enumerate(_listed("requires", given, MAX_TAGS, _TAGS))}
    return tuple(sorted(tags))


def _with_those_of(task_type: TaskType, own: tuple[str, ...]) -> tuple[str, ...]:
    tags = sorted({*own, *task_type.requires})
    if len(tags) > MAX_TAGS:
        raise refused(
            "requires", tags, msg("at most {limit} tags together with those of the task type", limit=MAX_TAGS)
        )
    return tuple(tags)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _timeout(value: float) -> float:
    if not _is_number(value) or not 0 < value <= MAX_TIMEOUT_SECONDS:
        raise refused(
            "timeout_seconds", value, msg("a number above 0 and at most {most:.0f}", most=MAX_TIMEOUT_SECONDS)
        )
    return float(value)


def _max_attempts(value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_ATTEMPTS:
        raise refused("max_attempts", value, msg("a whole number from 1 to {limit}", limit=MAX_ATTEMPTS))
    return int(value)


def _delay(delay_seconds: Any) -> float | None:
    if not _is_number(delay_seconds) or not 0 <= delay_seconds <= MAX_AHEAD_SECONDS:
        raise refused(
            "delay_seconds", delay_seconds, msg("a number from 0 to {most} (10 years)", most=MAX_AHEAD_SECONDS)
        )
    return float(delay_seconds) or None


def _run_at(run_at: object, delay_seconds: object, now: datetime) -> datetime:
    if delay_seconds is not None:
        raise refused("run_at", run_at, msg("either delay_seconds or run_at, not both"))
    due = run_at
    if isinstance(due, str):
        try:
            due = datetime.fromisoformat(due)
        except ValueError:
            raise refused("run_at", run_at, msg("an ISO 8601 time such as 2030-01-31T12:00:00+00:00")) from None
    if not isinstance(due, datetime) or due.utcoffset() is None:
        raise refused("run_at", run_at, msg("a time with a time zone"))
    # The year first: the ends of the calendar can't be converted to UTC.
    if not FIRST_YEAR <= due.year <= now.year + 11:
        raise refused("run_at", run_at, msg("a time from the year {year} to 10 years from now", year=FIRST_YEAR))
    due = due.astimezone(UTC)
    if due.year < FIRST_YEAR or due > now + timedelta(seconds=MAX_AHEAD_SECONDS):
        raise refused("run_at", run_at, msg("a time from the year {year} to 10 years from now", year=FIRST_YEAR))
    return due


def check_key(value: object, parent_id: str | None, created_by: str) -> str:
    """Returns an idempotency key that this submitter may use; raises SubmissionError."""
    key = check_text("idempotency_key", value)
    if _OF_A_CHILD.match(key) and (parent_id is None or not key.startswith(f"{parent_id}/")):
        expected = msg("another key: keys that begin with a task id and a slash are reserved for its children")
        raise refused("idempotency_key", key, expected)
    if key.startswith(OF_A_SCHEDULE) and not created_by.startswith(OF_A_SCHEDULE):
        expected = msg("another key: keys that begin with {prefix} are reserved for schedules", prefix=OF_A_SCHEDULE)
        raise refused("idempotency_key", key, expected)
    if key.startswith(OF_A_HOOK) and not key.startswith(f"{created_by}:"):
        expected = msg("another key: keys that begin with {prefix} are reserved for calls of hooks", prefix=OF_A_HOOK)
        raise refused("idempotency_key", key, expected)
    return key


def _uuid(field: str, value: object) -> str:
    text = str(value) if isinstance(value, uuid.UUID | uuid_utils.UUID) else value
    if not isinstance(text, str) or not is_id(exact(text).lower()):
        raise refused(field, value, msg("the id of a task (a UUID)"))
    return exact(text).lower()


def _after(given: object) -> tuple[str, ...]:
    ids: dict[str, None] = {}
    for at, value in enumerate(_listed("after", given, MAX_PARENTS, _IDS)):
        task_id = _uuid(f"after.{at}", value)
        if task_id in ids:
            raise refused(f"after.{at}", value, msg("each id only once"))
        ids[task_id] = None
    return tuple(ids)


def _when(value: object) -> Condition:
    if not isinstance(value, str) or value not in set(Condition):
        raise refused("when", value, msg("one of {names}", names=", ".join(Condition)))
    return Condition(value)
