"""Draws the part of the page Learning that says how well run times are predicted."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from taskyard.dashboard.components import address
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.permitted import is_narrowed, show_left_out
from taskyard.dashboard.components.ranges import pick_range
from taskyard.dashboard.components.zones import viewer_zone
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.learning import data
from taskyard.dashboard.pages.learning.days_map import show_days
from taskyard.dashboard.pages.learning.head import show_head, show_range
from taskyard.dashboard.pages.learning.places import show_places
from taskyard.dashboard.pages.learning.scatter import show_scatter
from taskyard.dashboard.pages.learning.types_table import show_types
from taskyard.dashboard.shell import frame

TYPES = "types"  # in the address
CHART_WIDTH_PX = 420
FILTER_WIDTH_PX = 420


def pick_types(range_seconds: int, zone: str) -> tuple[str, ...]:
    """Lets the viewer pick types, kept in the address; none stands for all."""
    asked = [name for name in st.query_params.get(TYPES, "").split(address.SEPARATOR) if name]
    options = sorted({*data.known_types(range_seconds, zone), *asked})
    chosen = st.multiselect(
        _("Type"),
        options,
        placeholder=_("All types"),
        label_visibility="collapsed",
        width=FILTER_WIDTH_PX,
        **address.choices(TYPES),
    )
    return tuple(chosen)


def show_results(results: data.Results, types: Sequence[str]) -> None:
    """Shows the results of the chosen types and range: the charts, then the table."""
    held = results.types
    if is_narrowed():
        show_range(data.total_of(held))
    if not held and not results.ended.tasks:
        show_no_results(types)
        return
    with st.grid(2, min_column_width=CHART_WIDTH_PX):
        with st.container():
            show_scatter(results.ended)
        if results.days:
            with st.container():
                show_places(data.total_of(held).places)
    if results.days:
        show_days(results.days, results.zone)
    show_types(held)


def show_no_results(types: Sequence[str]) -> None:
    """Shows that no task has ended with a prediction, and why that may be."""
    now = data.now().value
    if types:
        show_nothing(_("No task of these types has ended with a prediction in this time range."), "filter_alt")
    elif now is not None and now.learning is not None and not now.learning.keys:
        show_nothing(
            _(
                "No task has ended with a prediction yet. Run times are learned from tasks that end; those submitted"
                " after that have a prediction."
            ),
            "hourglass_empty",
        )
    else:
        show_nothing(_("No task has ended with a prediction in this time range."), "hourglass_empty")


def show_predictions() -> None:
    """Shows what is known now, and how predictions held in the range and for the types that the viewer picks."""
    if not data.counts_results():
        st.caption(
            _(
                "Your role is narrowed to some queues: results by day and places are not counted by queue and not"
                " shown. The chart and the table are of the last tasks of your queues."
            )
        )
    elif is_narrowed():
        show_left_out()
    if not is_narrowed():
        frame.live("learning_now", data.now, show_head, shows_update_time=False, height_px=130)
    zone = str(viewer_zone())
    range_seconds = pick_range(default="7d")
    types = pick_types(range_seconds, zone)
    frame.live(
        "learning_results",
        lambda: data.results(range_seconds, types, zone),
        lambda found: show_results(found, types),
        about=(range_seconds, types, zone),
        every_seconds=10.0,
        height_px=600,
    )
