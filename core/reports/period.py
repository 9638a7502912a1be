"""Parses the ends of a report's period and its time zone: times, dates, ages, names (pure)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused

FIRST_YEAR, LAST_YEAR = 1971, 9998
_AGO = re.compile(r"(\d{1,6})([mhdw])", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_EXPECTED = msg("an ISO 8601 time or date (UTC without an offset), or an age such as 24h or 7d")


def moment(field: str, text: str, now: datetime) -> datetime:
    """Parses a time; raises SubmissionError."""
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return _bounded(field, text, now - int(ago[1]) * _UNITS[ago[2]])
        at = datetime.fromisoformat(text.strip())
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise refused(field, text, _EXPECTED) from None
    return _bounded(field, text, at)


def _bounded(field: str, text: str, at: datetime) -> datetime:
    """Returns a time that every zone can convert; raises SubmissionError."""
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise refused(field, text, msg("a year from {first} to {last}", first=FIRST_YEAR, last=LAST_YEAR))
    return at


def zone_named(name: str) -> tzinfo:
    """Returns a time zone by its name; raises SubmissionError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise refused("zone", name, msg("a time zone such as UTC or Europe/Berlin")) from None
