"""Checks the fields that filters share: texts, names, choices and time bounds, from a URL or stored JSON (pure)."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from taskyard.core.humanize import parsed_span
from taskyard.core.i18n import msg
from taskyard.core.ids import is_id
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.encode import check_text

MAX_CHOICES = 100  # values of one field
MAX_SECONDS = 100 * 366 * 86_400

_INSTANT_TEXT = msg("an ISO 8601 time with a time zone such as 2030-01-31T12:00:00+00:00")
_TIME_TEXT = msg('a time with a time zone such as 2030-01-31T12:00:00+00:00, or an age such as "30m", "24h" or "7d"')
Choice = TypeVar("Choice")


def check_choices(name: str, values: object, known: Mapping[object, Choice]) -> tuple[Choice, ...]:
    """Returns each known value once, in the order of `known`, so that equal filters are equal."""
    unknown = [value for value in listed(name, values) if value not in known]
    if unknown:
        texts = (key for key in known if type(key) is str)
        raise refused(name, unknown[0], msg("one of {names}", names=", ".join(map(str, texts))))
    wanted = {known[value] for value in listed(name, values)}
    return tuple(choice for choice in dict.fromkeys(known.values()) if choice in wanted)


def check_names(name: str, values: object) -> tuple[str, ...]:
    """Returns names, each once and sorted; they have no commas."""
    names = sorted({check_text(name, value) for value in listed(name, values)})
    if unfit := [value for value in names if "," in value]:
        raise refused(name, unfit[0], msg("a name without a comma"))
    return tuple(names)


def listed(name: str, values: object) -> list[Any]:
    """Returns a field's values, which are texts or numbers."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise refused(name, values, msg("a list"))
    items = list(values)
    if len(items) > MAX_CHOICES:
        raise refused(name, items, msg("at most {limit} values", limit=MAX_CHOICES))
    if unfit := [item for item in items if not isinstance(item, str | int)]:
        raise refused(name, unfit[0], msg("a text"))
    return items


def check_uuid(name: str, value: object) -> str:
    """Returns a valid task id."""
    text = str(value).lower() if isinstance(value, str | uuid.UUID) else ""
    if not is_id(text):
        raise refused(name, value, msg("a task id (a UUID)"))
    return text


def check_bound(name: str, value: object) -> datetime | str:
    """Returns an aware time in UTC, or an age."""
    if isinstance(value, str) and (seconds := parsed_span(value)) is not None:
        if seconds > MAX_SECONDS:
            raise refused(name, value, msg("an age of at most 100 years"))
        return value
    return check_time(name, value, _TIME_TEXT)


def check_time(name: str, value: object, expected: str = _INSTANT_TEXT) -> datetime:
    """Returns an aware time in UTC."""
    at = value
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            raise refused(name, value, expected) from None
    # The ends of the calendar can't be converted to UTC.
    if not isinstance(at, datetime) or at.utcoffset() is None or not 1970 < at.year < 9999:
        raise refused(name, value, expected)
    return at.astimezone(UTC)


def check_seconds(name: str, value: object) -> float:
    """Returns a duration in seconds."""
    try:
        seconds = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MAX_SECONDS:
        raise refused(name, value, msg("a number of seconds, at most 100 years"))
    return seconds


def instant(bound: datetime | str | None, now: datetime) -> datetime | None:
    """Returns a bound as a time."""
    return now - timedelta(seconds=parsed_span(bound) or 0) if isinstance(bound, str) else bound


def like_pattern(text: str) -> str:
    """Returns the pattern by which LIKE and ILIKE match a part of a text."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"


def check_known(names: Iterable[str], given: Mapping[Any, object]) -> None:
    """Raises SubmissionError for a field that a filter does not have."""
    known = tuple(names)
    for name, value in given.items():
        if name not in known:
            raise refused(str(name), value, msg("a known field: one of {names}", names=", ".join(known)))
