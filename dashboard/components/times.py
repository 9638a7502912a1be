"""Times as the viewer reads them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

_STEPS = (("d", 86_400), ("h", 3_600), ("min", 60))


def viewer_zone() -> tzinfo:
    """The browser's time zone, UTC if it names none that is known here."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def shown_time(moment: datetime) -> str:
    """`moment` as the viewer's clock shows it, with its zone."""
    return f"{moment.astimezone(viewer_zone()):%Y-%m-%d %H:%M:%S %Z}"


def time_column(label: str) -> Any:
    """A column of moments in the viewer's zone."""
    return st.column_config.DatetimeColumn(label, format="MMM DD, HH:mm:ss", timezone=str(viewer_zone()))


def duration(seconds: float) -> str:
    """`seconds` in at most two units: 0.25 s, 3 min 20 s, 2 d 4 h."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = int(seconds)
    units = (*_STEPS, ("s", 1))
    for (unit, size), (smaller, smaller_size) in itertools.pairwise(units):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    raise AssertionError("a minute or more is at least one of the units")
