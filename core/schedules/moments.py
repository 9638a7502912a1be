"""Checks the times that people give for schedules (pure)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from taskyard.core.humanize import parsed_span
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused

FIRST_YEAR, LAST_YEAR = 2000, 2200  # far from the ends of the calendar, which no zone can convert
_TIME = msg("an ISO 8601 time with a time zone such as 2030-01-31T12:00:00+00:00")
_AGE_OR_TIME = msg("an age such as 24h, or a time with a zone such as 2030-01-31T12:00:00Z")


def check_moment(field: str, value: object, expected: str = _TIME) -> datetime:
    """Returns a time with a zone in UTC; raises SubmissionError."""
    found = value
    if isinstance(found, str):
        try:
            found = datetime.fromisoformat(found.strip())
        except ValueError:
            found = None
    if not isinstance(found, datetime) or found.utcoffset() is None:
        raise refused(field, value, expected)
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise refused(field, value, msg("a year from {first} to {last}", first=FIRST_YEAR, last=LAST_YEAR))
    return found.astimezone(UTC)


def age_or_moment(field: str, text: str, now: datetime) -> datetime:
    """Returns a time that is given as such, or as an age; raises SubmissionError."""
    seconds = parsed_span(text)
    if seconds is None:
        return check_moment(field, text, _AGE_OR_TIME)
    try:
        found = now - timedelta(seconds=seconds)
    except OverflowError:
        found = datetime.min.replace(tzinfo=UTC)
    if found.year < FIRST_YEAR:
        raise refused(field, text, msg("a year from {first} to {last}", first=FIRST_YEAR, last=LAST_YEAR))
    return found
