"""Formats times in the browser's time zone and the interface's language."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from taskyard.core import humanize
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _


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
    return st.column_config.DatetimeColumn(label, format=_("MMM DD, HH:mm:ss"), timezone=str(viewer_zone()))


def duration(seconds: float | None, *, is_short: bool = False) -> str:
    """Returns `seconds` in at most two units: 4 ms, 0.25 s, 3 min 20 s, 2 d 4 h; "–" for None. `is_short`: one
    rounded unit.
    """
    if seconds is None:
        return humanize.UNKNOWN
    return translate(humanize.rounded_duration(seconds) if is_short else humanize.duration(seconds, is_figure=True))


def span(seconds: float) -> str:
    """Returns a span that somebody set, without the digits of a measured one: 5 s."""
    return translate(humanize.duration(seconds))


def age(seconds: float) -> str:
    """Like `duration`, in whole seconds, for values that are refreshed often."""
    return _("{n} s").format(n=int(seconds)) if 0 <= seconds < 60 else duration(seconds)
