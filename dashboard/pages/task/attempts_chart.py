"""Draws a task's attempts: as bars over time, and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from taskyard.core.humanize import byte_size
from taskyard.core.i18n import N_
from taskyard.core.views.attempts import DROPPED, RUNNING, WAITING, WON, Attempt
from taskyard.dashboard.components.charts import TIME_TICKS, draw, plain
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.tables import show_table, value_column
from taskyard.dashboard.components.theme import color
from taskyard.dashboard.components.times import duration, time_column
from taskyard.dashboard.components.zones import shown_time, viewer_zone
from taskyard.dashboard.i18n import _, enumerated

ATTEMPTS_SHOWN = 30
MIN_ROWS = 5  # room for this many, so that a single bar is not a block
ROW_PX, REST_PX, MIN_PX = 26, 90, 250
MIN_SHARE = 0.004  # of the chart's width, so that the shortest bar can be seen
# What each is called, its colour, and its pattern: what is suspended has the colour of that state everywhere.
PHASES = (
    ("wait", N_("waiting"), "gray", ""),
    ("run", N_("running"), "blue", ""),
    ("backoff", N_("backing off"), "violet", ""),
    ("pause", N_("suspended"), "violet", "/"),
)
OUTCOMES = {
    "completed": N_("completed"),
    "failed": N_("failed"),
    "attempt_failed": N_("failed, retried"),
    "handed_back": N_("handed back"),
    "suspended": N_("suspended"),
    "cancelled": N_("cancelled"),
    WON: N_("cancelled: the second attempt was first"),
    DROPPED: N_("second attempt dropped"),
    RUNNING: N_("assigned or running"),
    WAITING: N_("waiting for an agent"),
}
FAILED = ("failed", "attempt_failed")


def outcome_word(outcome: str) -> str:
    """Returns an attempt's outcome in the viewer's language."""
    return _(OUTCOMES[outcome]) if outcome in OUTCOMES else outcome


def show_timeline(attempts: Sequence[Attempt], now: datetime) -> None:
    """Shows one row for each attempt: a bar for each phase, and a mark where it failed."""
    shown = list(attempts[-ATTEMPTS_SHOWN:])
    bars = [bar for attempt in shown for bar in bars_of(attempt, now)]
    if not shown:
        st.caption(_("The task has not been ready for an agent yet."))
        return
    first = min((start for _row, _phase, start, _seconds in bars), default=now)
    whole = max(((start - first).total_seconds() + seconds for _row, _phase, start, seconds in bars), default=0.0)
    figure = go.Figure()
    for phase, name, paint, shape in PHASES:
        own = [(row, start, seconds) for row, kind, start, seconds in bars if kind == phase]
        figure.add_bar(
            y=[row for row, _start, _seconds in own],
            base=[_local(start) for _row, start, _seconds in own],
            x=[1000 * max(seconds, whole * MIN_SHARE) for _row, _start, seconds in own],
            name=_(name),
            orientation="h",
            marker={"color": color(paint), "pattern": {"shape": shape, "size": 6}},
            customdata=[duration(seconds) for _row, _start, seconds in own],
            hovertemplate="%{y}: %{customdata}",
        )
    failed = [attempt for attempt in shown if attempt.outcome in FAILED and attempt.ended_at is not None]
    figure.add_scatter(
        y=[row_of(attempt) for attempt in failed],
        x=[_local(attempt.ended_at) for attempt in failed if attempt.ended_at is not None],
        name=_("failed"),
        mode="markers",
        marker={"symbol": "x", "size": 10, "color": color("red"), "line": {"width": 0}},
        customdata=[plain(word(attempt.error_class)) for attempt in failed],
        hovertemplate="%{y}: %{customdata}",
    )
    figure.update_layout(barmode="overlay", bargap=0.35)
    figure.update_xaxes(type="date", tickformatstops=TIME_TICKS)
    rows = max(MIN_ROWS, len(shown))
    figure.update_yaxes(type="category", categoryarray=[row_of(one) for one in shown], range=[rows - 0.5, -0.5])
    draw(
        _("Attempts over time"),
        figure,
        alt=_in_words(shown, now),
        key="attempts_over_time",
        height_px=max(MIN_PX, REST_PX + ROW_PX * len(shown)),
    )


def bars_of(attempt: Attempt, now: datetime) -> list[tuple[str, str, datetime, float]]:
    """Returns (row, phase, start, seconds) of an attempt's phases."""
    row = row_of(attempt)
    found = []
    wait = attempt.wait_seconds(now)
    if attempt.ready_at is not None and wait:
        found.append((row, "wait", attempt.ready_at, wait))
    run = attempt.run_seconds(now)
    if attempt.started_at is not None and run is not None:
        found.append((row, "run", attempt.started_at, run))
    if attempt.ended_at is not None and attempt.backoff_seconds:
        found.append((row, "backoff", attempt.ended_at, attempt.backoff_seconds))
    pause = attempt.pause_seconds(now)
    if attempt.ended_at is not None and pause:
        found.append((row, "pause", attempt.ended_at, pause))
    return found


def row_of(attempt: Attempt) -> str:
    """Returns the label of an attempt's row."""
    return f"#{attempt.number}"


def show_attempts(attempts: Sequence[Attempt], now: datetime) -> None:
    """Shows the attempts as a table, latest first."""
    if not attempts:
        return
    show_table(
        frame_of(attempts[::-1], now),
        alt=_("The task's attempts, latest first"),
        key="attempts",
        columns={
            _("Attempt"): st.column_config.NumberColumn(format="%d", width=70, pinned=True),
            _("Started"): time_column(_("Started"), is_exact=True),
            _("Queue latency"): value_column(_("Queue latency"), width=115),
            _("Run time"): value_column(_("Run time"), width=115),
            _("CPU"): value_column(_("CPU"), width=115),
            _("Peak memory"): value_column(_("Peak memory"), width=110),
            _("Message"): st.column_config.TextColumn(width="large"),
        },
        words={**dict.fromkeys((_("Queue latency"), _("Run time"), _("CPU")), duration), _("Peak memory"): byte_size},
    )


def frame_of(attempts: Sequence[Attempt], now: datetime) -> pd.DataFrame:
    """Returns a frame with one row for each attempt."""
    rows = [
        {
            _("Attempt"): attempt.number,
            _("Outcome"): outcome_word(attempt.outcome),
            _("Class"): word(attempt.error_class),
            _("Agent"): attempt.agent,
            _("Started"): attempt.started_at,
            _("Queue latency"): attempt.wait_seconds(now),
            _("Run time"): attempt.run_seconds(now),
            _("CPU"): attempt.cpu_seconds,
            _("Peak memory"): attempt.peak_memory_bytes,
            _("Message"): attempt.message,
        }
        for attempt in attempts
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(**{_("Started"): pd.to_datetime(frame[_("Started")], utc=True)})


def _local(moment: datetime) -> datetime:
    return moment.astimezone(viewer_zone()).replace(tzinfo=None)


def _in_words(attempts: Sequence[Attempt], now: datetime) -> str:
    lines = [_line_of(attempt, now) for attempt in attempts]
    since = shown_time(attempts[0].ready_at) if attempts[0].ready_at else ""
    return " ".join([since, enumerated(lines)]).strip()


def _line_of(attempt: Attempt, now: datetime) -> str:
    pause = attempt.pause_seconds(now)
    text = _("attempt {number} waited {wait}, ran {run}: {outcome}")
    if pause is not None:
        text = _("attempt {number} waited {wait}, ran {run}: {outcome} for {pause}")
    return text.format(
        number=attempt.number,
        wait=duration(attempt.wait_seconds(now)),
        run=duration(attempt.run_seconds(now)),
        outcome=" ".join([outcome_word(attempt.outcome), word(attempt.error_class)]).strip(),
        pause=duration(pause),
    )
