"""Draws the current figures as one strip."""

from __future__ import annotations

import streamlit as st

from taskyard.core.humanize import UNKNOWN, number, percent
from taskyard.core.telemetry.histogram import Histogram
from taskyard.core.telemetry.live_snapshot import LiveSnapshot
from taskyard.dashboard.components.permitted import is_narrowed
from taskyard.dashboard.components.styles import show_style
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.overview import data

# Streamlit's own figures are 100 px high with their borders and gaps.
STYLE = """
.st-key-figures { padding: 6px 14px !important; gap: 4px 28px !important; overflow-x: auto; }
.st-key-figures [data-testid="stMetricValue"] { font-size: 1.25rem; line-height: 1.3; padding: 0; }
.st-key-figures [data-testid="stMetricLabel"] { min-height: 0; white-space: nowrap; }
"""


def show_figures(now: data.OverviewNow) -> None:
    """Shows the figures of the last minutes side by side."""
    submitted, ended, _failed = (list(series) for series in zip(*now.minutes, strict=True))
    recent = now.recent
    attempts = recent.completed + recent.failed + recent.retried
    share = (recent.failed + recent.retried) / attempts if attempts else None
    figures: list[tuple[str, str, str]] = [
        (_("Finished/min"), number(ended[-2]), _("Tasks that completed, failed or were cancelled")),
        (_("Enqueued/min"), number(submitted[-2]), _("Accepted tasks")),
        (_("Failed attempts"), percent(share, 1), _("Share in the last 5 minutes")),
        (_("Queue latency p50 / p99"), _pair(recent.wait), _("From ready to started, last 5 minutes")),
        (_("Run time p50 / p99"), _pair(recent.run), _("Run time of attempts, last 5 minutes")),
        (_("Oldest ready task"), duration(now.oldest_seconds or None), _("Age of the oldest ready task")),
    ]
    if not is_narrowed():  # how many slots the tasks of others use is not theirs to see
        figures.append((_("Slots in use"), _slots(now.live), _("Running tasks out of all slots")))
    show_style(STYLE)
    with st.container(horizontal=True, border=True, key="figures", horizontal_alignment="distribute"):
        for label, value, help_ in figures:
            st.metric(label, value, help=help_, width="content")


def _slots(live: LiveSnapshot | None) -> str:
    """Returns what is in use of how many; unknown without a leader."""
    if live is None:
        return UNKNOWN
    running, slots = sum(a.running for a in live.agents), sum(a.usable_slots for a in live.agents)
    return f"{number(running)} / {number(slots)}"


def _pair(histogram: Histogram) -> str:
    median, high = histogram.percentile(50), histogram.percentile(99)
    return "–" if median is None else f"{duration(median, is_short=True)} / {duration(high, is_short=True)}"
