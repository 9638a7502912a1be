"""Represents a search for tasks as a value that converts to and from URL parameters and stored JSON (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from taskyard.core.errors import ErrorClass
from taskyard.core.filters.fields import (
    check_bound,
    check_choices,
    check_known,
    check_names,
    check_seconds,
    check_uuid,
    instant,
)
from taskyard.core.i18n import msg
from taskyard.core.ids import is_id
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.encode import check_text
from taskyard.core.states import Priority, TaskState

MAX_PATH_LENGTH = 1000  # characters
DURATIONS = ("min_wait_seconds", "max_wait_seconds", "min_run_seconds", "max_run_seconds")
_LISTS = ("states", "types", "queues", "priorities")


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Selects the tasks that match every field that is set.

    `agent` is the name of the agent that has a task, or had it last; `tag` is one that it requires; `since`
    (inclusive) and `until` (exclusive) bound its submission, each an aware datetime or an age such as "24h" counted
    from the time of the search, and `ended_since` and `ended_until` its end. An attempt of it waited, or ran, for
    `min_…` (inclusive) to `max_…` (exclusive) seconds, by the audit log. `text` is part of the title, the type, the id
    or the error's message, in any case; what is the id of a task, its beginning (8 digits or more), its last 12 digits
    or a whole idempotency key finds only such tasks. `input_path` and `output_path` are SQL/JSON paths
    (`$.rows[*].a > 3`, `$.rows[*] ? (@.a > 3)`) whose first result must be something other than false or null; a path
    that fails on a task does not match it. Raises SubmissionError, which names the field.
    """

    states: tuple[TaskState, ...] = ()
    types: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    priorities: tuple[Priority, ...] = ()
    agent: str | None = None
    error_class: str | None = None
    fingerprint: str | None = None
    tag: str | None = None
    created_by: str | None = None
    since: datetime | str | None = None
    until: datetime | str | None = None
    text: str | None = None
    input_path: str | None = None
    output_path: str | None = None
    workflow_id: str | None = None
    ended_since: datetime | str | None = None
    ended_until: datetime | str | None = None
    min_wait_seconds: float | None = None
    max_wait_seconds: float | None = None
    min_run_seconds: float | None = None
    max_run_seconds: float | None = None

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not None and value != ():
                object.__setattr__(self, name, check(name, value))

    @property
    def is_empty(self) -> bool:
        """Returns True if it matches every task."""
        return self == TaskFilter()

    @property
    def task_id(self) -> str | None:
        """Returns the full task id in `text`, if there is one."""
        text = (self.text or "").lower()
        return text if is_id(text) else None

    def span(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Returns `since` and `until` as times; None for an unbounded one."""
        return instant(self.since, now), instant(self.until, now)

    def ended_span(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Returns `ended_since` and `ended_until` as times; None for an unbounded one."""
        return instant(self.ended_since, now), instant(self.ended_until, now)

    def as_params(self) -> dict[str, str]:
        """Returns the fields that are set, as flat texts: lists joined by commas, times in ISO 8601."""
        return {name: ",".join(v) if isinstance(v, list) else v for name, v in self.as_json().items()}

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """Parses `as_params`; an empty text sets nothing. `PARAMS` are the known names."""
        given = {name: value for name, value in params.items() if value != ""}
        for name, value in given.items():
            if not isinstance(value, str):
                raise refused(name, value, msg("a text"))
        return cls.from_json({k: v.split(",") if k in _LISTS else v for k, v in given.items()})

    def as_json(self) -> dict[str, Any]:
        """Returns the fields that are set: texts and lists of texts."""
        return {field.name: _plain(value) for field in fields(self) if _is_set(value := getattr(self, field.name))}

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Parses `as_json`."""
        if not isinstance(document, Mapping):
            raise refused("filter", document, msg("an object with the fields of a filter"))
        check_known(PARAMS, document)
        given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in document.items()}
        return cls(**given)


PARAMS = tuple(field.name for field in fields(TaskFilter))


def _is_set(value: object) -> bool:
    return value is not None and value not in ((), "")


def _plain(value: Any) -> str | list[str]:
    if isinstance(value, tuple):
        return [item.label if isinstance(item, Priority) else str(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _states(name: str, values: object) -> tuple[TaskState, ...]:
    return check_choices(name, values, {state.value: state for state in TaskState})


def _priorities(name: str, values: object) -> tuple[Priority, ...]:
    known: dict[object, Priority] = {priority.label: priority for priority in Priority}
    return check_choices(name, values, known | {priority: priority for priority in Priority})


def _path(name: str, value: object) -> str:
    return check_text(name, value, MAX_PATH_LENGTH)


def _error_class(name: str, value: object) -> str:
    classes = [error_class.value for error_class in ErrorClass]
    if value not in classes:
        raise refused(name, value, msg("one of {names}", names=", ".join(classes)))
    return str(value)


_CHECKS: dict[str, Any] = {
    "states": _states,
    "types": check_names,
    "queues": check_names,
    "priorities": _priorities,
    "agent": check_text,
    "error_class": _error_class,
    "fingerprint": check_text,
    "tag": check_text,
    "created_by": check_text,
    "since": check_bound,
    "until": check_bound,
    "text": check_text,
    "input_path": _path,
    "output_path": _path,
    "workflow_id": check_uuid,
    "ended_since": check_bound,
    "ended_until": check_bound,
    **dict.fromkeys(DURATIONS, check_seconds),
}


class Sort(StrEnum):
    """The order of a search. All but the first two leave out tasks without the value to order by."""

    NEWEST = "newest"
    OLDEST = "oldest"
    PRIORITY = "priority"  # the most urgent first, the newest of them first
    WAITING = "waiting"  # waiting tasks, the one that is ready the longest first
    LONGEST = "longest"  # running and ended tasks, the longest run first
    FINISHED = "finished"  # ended tasks, the latest first
