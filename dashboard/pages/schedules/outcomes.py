"""Shows what became of fire times: as a strip, in words, and as a calendar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import plotly.graph_objects as go
import streamlit as st

from taskyard.core.humanize import UNKNOWN, number
from taskyard.core.i18n import N_
from taskyard.core.postgres.store.schedule_fires import PastFire
from taskyard.core.schedules.schedule import FireOutcome
from taskyard.core.schedules.zone_words import zone_label
from taskyard.core.states import TaskState
from taskyard.dashboard.components.charts import draw, plain
from taskyard.dashboard.components.states import STATE_COLORS, WORKFLOW_COLORS, word
from taskyard.dashboard.components.theme import color
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.i18n import _, enumerated

# Of fire times without a task or workflow whose state is known.
OUTCOME_WORDS: Mapping[str, str] = {
    FireOutcome.DUE.value: N_("due"),
    FireOutcome.SUBMITTED.value: N_("submitted"),
    FireOutcome.SKIPPED.value: N_("skipped"),
    FireOutcome.REPLACED.value: N_("replaced"),
    FireOutcome.MISSED.value: N_("missed"),
    FireOutcome.REFUSED.value: N_("refused"),
}
ORIGIN_WORDS: Mapping[str, str] = {
    "time": N_("on schedule"),
    "manual": N_("by hand"),
    "backfill": N_("made up for"),
}
OUTCOME_COLORS: Mapping[str, str] = {
    FireOutcome.DUE.value: "violet",
    FireOutcome.SUBMITTED.value: "gray",
    FireOutcome.SKIPPED.value: "gray",
    FireOutcome.REPLACED.value: "violet",
    FireOutcome.MISSED.value: "orange",
    FireOutcome.REFUSED.value: "red",
}
ALL_COLORS: Mapping[str, str] = {**OUTCOME_COLORS, **WORKFLOW_COLORS, **STATE_COLORS}
BAD = {TaskState.FAILED.value, FireOutcome.REFUSED.value, FireOutcome.MISSED.value}
GOOD = {TaskState.COMPLETED.value}
WEEKDAYS = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))
WEEKS, CALENDAR_HEIGHT_PX = 26, 210
SQUARE, GAP = "█", "\u200a"  # a hair space


def outcome_of(fire: PastFire) -> str:
    """Returns the state of its task or workflow, or what became of it without one."""
    if fire.state is not None and fire.outcome is FireOutcome.SUBMITTED:
        return fire.state.value
    return fire.outcome.value


def outcome_word(outcome: str) -> str:
    """Returns an outcome in the viewer's language."""
    return _(OUTCOME_WORDS[outcome]) if outcome in OUTCOME_WORDS else word(outcome)


def show_strip(fires: Sequence[PastFire]) -> None:
    """Shows the last fire times as squares in the colours of states, and in words below."""
    if not fires:
        st.caption(_("It has not fired yet."))
        return
    outcomes = [outcome_of(fire) for fire in fires]
    st.markdown(GAP.join(f":{ALL_COLORS[one]}[{SQUARE}]" for one in outcomes))
    parts = [f"{number(count)} {outcome_word(name)}" for name, count in Counter(outcomes).most_common()]
    text = _("Last {count}: {outcomes}").format(count=len(fires), outcomes=enumerated(parts))
    mean = _mean_seconds(fires)
    st.caption(text if mean is None else f"{text} · {_('takes {duration} on average').format(duration=duration(mean))}")


def show_calendar(days: Mapping[date, Mapping[str, int]], zone: str) -> None:
    """Shows a square for each day of the last weeks: green if all went well, red if nothing did."""
    if not days:
        return
    last, weeks = max(days), WEEKS
    start = last - timedelta(days=last.weekday(), weeks=weeks - 1)
    shares: list[list[float | None]] = [[None] * weeks for _day in range(7)]
    said = [[UNKNOWN] * weeks for _day in range(7)]
    for day, counts in days.items():
        if day < start:
            continue
        week, weekday = (day - start).days // 7, day.weekday()
        good, bad = (sum(counts.get(name, 0) for name in names) for names in (GOOD, BAD))
        shares[weekday][week] = good / (good + bad) if good + bad else 0.5
        parts = [f"{number(count)} {outcome_word(name)}" for name, count in counts.items()]
        said[weekday][week] = plain(f"{day.isoformat()}: {enumerated(parts)}")
    spec = {
        "data": [
            {
                "type": "heatmap",
                "x": [(start + timedelta(weeks=week)).isoformat() for week in range(weeks)],
                "y": [_(name) for name in WEEKDAYS],
                "z": shares,
                "customdata": said,
                "hovertemplate": "%{customdata}<extra></extra>",
                "colorscale": [[0, color("red")], [0.5, color("gray")], [1, color("green")]],
                "zmin": 0,
                "zmax": 1,
                "xgap": 2,
                "ygap": 2,
                "showscale": False,
            }
        ],
        "layout": {
            "yaxis": {"autorange": "reversed", "type": "category", "showgrid": False},
            "xaxis": {"type": "category", "nticks": 8, "showgrid": False},
        },
    }
    total: Counter[str] = Counter()
    for counts in days.values():
        total.update(counts)
    parts = [f"{number(count)} {outcome_word(name)}" for name, count in total.most_common()]
    alt = _("Outcomes by day, {days} days: {outcomes}").format(days=len(days), outcomes=enumerated(parts))
    title = _("Outcomes by day ({zone})").format(zone=zone_label(zone))
    draw(title, go.Figure(spec, _validate=False), alt=alt, key="schedule_days", height_px=CALENDAR_HEIGHT_PX)


def _mean_seconds(fires: Sequence[PastFire]) -> float | None:
    ended = [fire.run_seconds for fire in fires if fire.run_seconds is not None and outcome_of(fire) in GOOD]
    return sum(ended) / len(ended) if ended else None
