"""What a search for tasks asks for, as a value: from and to the parameters of a URL and stored JSON (pure)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Self, TypeVar

from core.errors import ErrorClass
from core.inputs import refused
from core.states import Priority, TaskState

TEXT_LIMIT = 200  # characters
PATH_LIMIT = 1000
CHOICES_LIMIT = 100  # values of one field
MOST_SECONDS = 100 * 366 * 86_400
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}

_RELATIVE = re.compile(r"(\d{1,10})([smhdw])")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME_TEXT = 'a time with a time zone such as 2030-01-31T12:00:00+00:00, or an age such as "30m", "24h" or "7d"'
_LISTS = ("states", "types", "queues", "priorities")
_SHORT_TEXTS = ("agent", "error_class", "fingerprint", "tag", "created_by", "text")
_PATHS = ("input_path", "output_path")
Choice = TypeVar("Choice")


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks: those that fit every field that says anything.

    `agent` is the name of the one that has a task, or had it last; `tag` is one that it requires;
    `since` (inclusive) and `until` (exclusive) bound when it was submitted, each an aware datetime or
    an age such as "24h" that counts from the time of the search. `text` is part of the title, the
    type, the id or the error's message, whatever the case; the full id of a task finds that one alone.
    `input_path` and `output_path` are SQL/JSON paths (`$.rows[*].a > 3`, `$.rows[*] ? (@.a > 3)`): what
    the path finds first must be something else than false or null; no path that fails on a task
    fits it. Raises SubmissionError, which names the field.
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

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not None and value != ():
                object.__setattr__(self, name, check(name, value))

    @property
    def is_empty(self) -> bool:
        """Whether it fits every task."""
        return self == TaskFilter()

    @property
    def task_id(self) -> str | None:
        """The only task that `text` finds, if that is a full id."""
        text = (self.text or "").lower()
        return text if _UUID.fullmatch(text) else None

    def span(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """`since` and `until` as times; None for one that is not bounded."""
        return _instant(self.since, now), _instant(self.until, now)

    def as_params(self) -> dict[str, str]:
        """Its fields that say anything, as flat texts: lists joined by commas, times in ISO 8601."""
        return {name: ",".join(v) if isinstance(v, list) else v for name, v in self.as_json().items()}

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """The reverse of `as_params`; an empty text says nothing. `PARAMS` are the names that it knows."""
        given = {name: value for name, value in params.items() if value != ""}
        for name, value in given.items():
            if not isinstance(value, str):
                raise refused(name, value, "a text")
        return cls.from_json({k: v.split(",") if k in _LISTS else v for k, v in given.items()})

    def as_json(self) -> dict[str, Any]:
        """Its fields that say anything: texts and lists of texts."""
        return {field.name: _plain(value) for field in fields(self) if (value := getattr(self, field.name))}

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The reverse of `as_json`."""
        if not isinstance(document, Mapping):
            raise refused("filter", document, "an object with the fields of a filter")
        for name, value in document.items():
            if name not in PARAMS:
                raise refused(str(name), value, f"no such field, but one of {', '.join(PARAMS)}")
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in document.items()})


PARAMS = tuple(field.name for field in fields(TaskFilter))


def _plain(value: Any) -> str | list[str]:
    if isinstance(value, tuple):
        return [item.label if isinstance(item, Priority) else str(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _instant(bound: datetime | str | None, now: datetime) -> datetime | None:
    if isinstance(bound, str):
        return now - timedelta(seconds=_age_seconds(bound))
    return bound


def _age_seconds(text: str) -> int:
    found = _RELATIVE.fullmatch(text)
    return int(found[1]) * UNIT_SECONDS[found[2]] if found else MOST_SECONDS + 1


def _chosen(name: str, values: object, known: Mapping[object, Choice]) -> tuple[Choice, ...]:
    """Each value once, in the order in which they are known, so that equal filters are equal."""
    unknown = [value for value in _listed(name, values) if value not in known]
    if unknown:
        texts = (key for key in known if type(key) is str)
        raise refused(name, unknown[0], f"one of {', '.join(map(str, texts))}")
    wanted = {known[value] for value in _listed(name, values)}
    return tuple(choice for choice in dict.fromkeys(known.values()) if choice in wanted)


def _listed(name: str, values: object) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise refused(name, values, "a list")
    items = list(values)
    if len(items) > CHOICES_LIMIT:
        raise refused(name, items, f"at most {CHOICES_LIMIT} values")
    if unfit := [item for item in items if not isinstance(item, str | int)]:
        raise refused(name, unfit[0], "a text")
    return items


def _states(name: str, values: object) -> tuple[TaskState, ...]:
    return _chosen(name, values, {state.value: state for state in TaskState})


def _priorities(name: str, values: object) -> tuple[Priority, ...]:
    known: dict[object, Priority] = {priority.label: priority for priority in Priority}
    return _chosen(name, values, known | {priority: priority for priority in Priority})


def _names(name: str, values: object) -> tuple[str, ...]:
    """Names of types or queues; they have no commas."""
    names = sorted({_text(name, value) for value in _listed(name, values)})
    if unfit := [value for value in names if "," in value]:
        raise refused(name, unfit[0], "a name without a comma")
    return tuple(names)


def _text(name: str, value: object, limit: int = TEXT_LIMIT) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= limit:
        raise refused(name, value, f"a text of 1 to {limit} characters")
    if "\x00" in value:
        raise refused(name, value, "text without NUL characters, which PostgreSQL can't store")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise refused(name, value, "text without halves of surrogate pairs") from None
    return value


def _path(name: str, value: object) -> str:
    return _text(name, value, PATH_LIMIT)


def _error_class(name: str, value: object) -> str:
    classes = [error_class.value for error_class in ErrorClass]
    if value not in classes:
        raise refused(name, value, f"one of {', '.join(classes)}")
    return str(value)


def _bound(name: str, value: object) -> datetime | str:
    if isinstance(value, str) and _RELATIVE.fullmatch(value):
        if _age_seconds(value) > MOST_SECONDS:
            raise refused(name, value, "an age of at most 100 years")
        return value
    at = value
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            raise refused(name, value, _TIME_TEXT) from None
    # The ends of the calendar can't be converted to UTC.
    if not isinstance(at, datetime) or at.utcoffset() is None or not 1970 < at.year < 9999:
        raise refused(name, value, _TIME_TEXT)
    return at.astimezone(UTC)


def _task_id(name: str, value: object) -> str:
    text = str(value).lower() if isinstance(value, str | uuid.UUID) else ""
    if not _UUID.fullmatch(text):
        raise refused(name, value, "a task id (a UUID)")
    return text


_CHECKS: dict[str, Any] = {
    "states": _states,
    "types": _names,
    "queues": _names,
    "priorities": _priorities,
    **dict.fromkeys(_SHORT_TEXTS, _text),
    "error_class": _error_class,
    **dict.fromkeys(_PATHS, _path),
    "since": _bound,
    "until": _bound,
    "workflow_id": _task_id,
}


class Sort(StrEnum):
    """The order of a search. All but the first two leave out tasks that have nothing to be ordered by."""

    NEWEST = "newest"
    OLDEST = "oldest"
    PRIORITY = "priority"  # the most urgent first, the newest of them first
    WAITING = "waiting"  # waiting tasks, the one that is ready the longest first
    LONGEST = "longest"  # running and ended tasks, the longest run first
    FINISHED = "finished"  # ended tasks, the latest first
