"""Formats times in the browser's time zone and the interface's language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import streamlit as st

from taskyard.core import humanize
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import viewer_zone
from taskyard.dashboard.data import base
from taskyard.dashboard.i18n import _

CLOCKS_NEAR = timedelta(days=8)  # of what tables show, most is not older
ZONE = " Z"  # of a column's format: the distance from UTC


def shown_clock(moment: datetime, zone: tzinfo) -> str:
    """Returns the time of day in a zone with milliseconds, for what stands below its `shown_day`."""
    local = moment.astimezone(zone)
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"


def shown_day(moment: datetime, zone: tzinfo) -> str:
    """Returns the day in a zone, with the zone's name: that tells two hours of one name apart."""
    return f"{moment.astimezone(zone):%Y-%m-%d %Z}"


def time_of(epoch_seconds: float) -> datetime:
    """Returns the time for epoch seconds."""
    return datetime.fromtimestamp(epoch_seconds, UTC)


def local_times(epoch_seconds: list[float]) -> list[datetime]:
    """Returns naive local times for a chart's axis, because plotly knows no zones.

    All have the distance from UTC that the last one has, so that the hour in which clocks go back is not drawn twice
    in one place; `axis_zone` names it then.
    """
    zone = timezone(_offset(epoch_seconds[-1], viewer_zone())) if epoch_seconds else UTC
    return [datetime.fromtimestamp(at, zone).replace(tzinfo=None) for at in epoch_seconds]


def axis_zone(epoch_seconds: Sequence[float]) -> str:
    """Returns the name of the zone of a chart's axis if clocks change within it, otherwise nothing."""
    zone = viewer_zone()
    if not epoch_seconds or _offset(epoch_seconds[0], zone) == _offset(epoch_seconds[-1], zone):
        return ""
    return str(timezone(_offset(epoch_seconds[-1], zone)))


def time_column(label: str, *, is_exact: bool = False, has_year: bool = False, **options: Any) -> Any:
    """Returns a column of times in the viewer's zone; `is_exact` for events that are less than a second apart.

    Times have their distance from UTC as long as a change of clocks is near, which makes two hours of one name.
    """
    shape = _("MMM DD YYYY, HH:mm") if has_year else _("MMM DD, HH:mm:ss.SSS") if is_exact else _("MMM DD, HH:mm:ss")
    return st.column_config.DatetimeColumn(
        label, format=shape + ZONE if clocks_change([base.now()]) else shape, timezone=str(viewer_zone()), **options
    )


def _offset(at: float, zone: tzinfo) -> timedelta:
    return datetime.fromtimestamp(at, zone).utcoffset() or timedelta()


def clocks_change(moments: Iterable[datetime]) -> bool:
    """Returns True if the viewer's clocks change within CLOCKS_NEAR of one of these times."""
    zone = viewer_zone()
    days = {at.astimezone(UTC).date() for at in moments}
    noons = [datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for day in days]
    near = (-CLOCKS_NEAR, timedelta(), CLOCKS_NEAR)
    return any(len({(noon + distance).astimezone(zone).utcoffset() for distance in near}) > 1 for noon in noons)


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
