"""Draws panels over the same time as one figure; a point or a bar may lead to the tasks behind it."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from taskyard.dashboard.components.charts import CONFIG, let_the_page_appear
from taskyard.dashboard.components.panel_spec import panels_spec
from taskyard.dashboard.components.panels import Panel, TimeAxis


def show_panels(axis: TimeAxis, panels: Sequence[Panel], *, key: str, before: Sequence[float] = ()) -> None:
    """Draws the panels. A click on a point of a line that leads somewhere opens the Tasks page with its parameters and
    the step's time; for a line that looks back also the time `before` that step (seconds, one for each).
    """
    let_the_page_appear()
    spec = panels_spec(axis, panels, key)
    alt = " ".join(panel.words() for panel in panels)
    # dashboard/browser/charts.js goes by this: Streamlit's own selection takes the last line instead of the nearest
    spec["layout"]["meta"] = {"at": list(axis.at), "step": axis.step_seconds, "before": list(before)}
    with st.container(border=True, key=f"panels_{key}"):
        st.plotly_chart(go.Figure(spec, _validate=False), key=key, config=CONFIG, alt=alt)
