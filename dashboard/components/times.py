"""Formats times in the browser's time zone and the interface's language."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from taskyard.core.i18n import N_
from taskyard.dashboard.i18n import _

_UNITS = ((N_("{n} d"), 86_400), (N_("{n} h"), 3_600), (N_("{n} min"), 60), (N_("{n} s"), 1))


def viewer_zone() -> tzinfo:
    """Returns the browser's time zone, UTC if it names no known one."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def shown_time(moment: datetime) -> str:
    """Returns `moment` in the viewer's time zone, with the zone."""
    return f"{moment.astimezone(viewer_zone()):%Y-%m-%d %H:%M:%S %Z}"


def time_of(epoch_seconds: float) -> datetime:
    """Returns the time for epoch seconds."""
    return datetime.fromtimestamp(epoch_seconds, UTC)


def local_times(epoch_seconds: list[float]) -> list[datetime]:
    """Returns naive local times for a chart's axis, because plotly knows no zones."""
    zone = viewer_zone()
    return [datetime.fromtimestamp(at, zone).replace(tzinfo=None) for at in epoch_seconds]


def time_column(label: str) -> Any:
    """Returns a column of times in the viewer's zone."""
    return st.column_config.DatetimeColumn(label, format="MMM DD, HH:mm:ss", timezone=str(viewer_zone()))


def duration(seconds: float | None, *, is_short: bool = False) -> str:
    """Returns `seconds` in at most two units: 4 ms, 0.25 s, 3 min 20 s, 2 d 4 h; "–" for None. `is_short`: one
    rounded unit.
    """
    if seconds is None:
        return "–"
    if seconds < 0.1:
        return _("{n} ms").format(n=f"{seconds * 1000:.0f}" if seconds >= 0.01 else f"{seconds * 1000:.1f}")
    if seconds < 60:
        return _("{n} s").format(n=f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}")
    whole = int(seconds)
    for (unit, size), (smaller, smaller_size) in itertools.pairwise(_UNITS):
        if whole >= size:
            if is_short:
                return _(unit).format(n=round(seconds / size))
            rest = whole % size // smaller_size
            text = _(unit).format(n=whole // size)
            return f"{text} {_(smaller).format(n=rest)}" if rest else text
    raise AssertionError("a minute or more is at least one of the units")


def age(seconds: float) -> str:
    """Like `duration`, in whole seconds, for values that are refreshed often."""
    return _("{n} s").format(n=int(seconds)) if 0 <= seconds < 60 else duration(seconds)
