"""Says what time zones are called (pure)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from taskyard.core.i18n import msg

_UTC_NAMES = ("UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu")
_TURNED = "Etc/GMT"  # begins the names of zones whose sign is the other way round: Etc/GMT+5 is behind UTC
_ANY = datetime(2000, 1, 1, tzinfo=UTC)


def zone_words(name: str) -> str:
    """Returns a time zone as people name it: Berlin time."""
    if name in _UTC_NAMES:
        return "UTC"
    if is_turned(name):
        return zone_label(name)
    return msg("{place} time", place=name.rpartition("/")[2].replace("_", " "))


def zone_label(name: str) -> str:
    """Returns a time zone's name, with its distance from UTC where the name says the opposite of it."""
    return f"{name} ({offset_words(ZoneInfo(name))})" if is_turned(name) else name


def is_turned(name: str) -> bool:
    """Returns True for names such as Etc/GMT+5, which is UTC−05:00."""
    return name.startswith((_TURNED + "+", _TURNED + "-")) and name[len(_TURNED) + 1 :] != "0"


def offset_words(zone: ZoneInfo) -> str:
    """Returns the distance of a zone from UTC that it always has: UTC−05:00."""
    offset = _ANY.astimezone(zone).utcoffset() or timedelta(0)
    minutes = abs(int(offset.total_seconds())) // 60
    sign = "−" if offset < timedelta(0) else "+"
    return f"UTC{sign}{minutes // 60:02d}:{minutes % 60:02d}"
