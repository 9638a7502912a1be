"""Shows the graph of a workflow, live: a click on a shape opens its task, or the list of its tasks."""

from __future__ import annotations

from collections.abc import Collection

import plotly.graph_objects as go
import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.core.views.graph_folding import Folding
from taskyard.core.views.workflow_graph import Drawing
from taskyard.dashboard.components.charts import draw
from taskyard.dashboard.i18n import _, enumerated, labelled, ngettext
from taskyard.dashboard.pages.workflows.data import Detail
from taskyard.dashboard.pages.workflows.graph_figure import CONFIG, figure_of, height_px
from taskyard.dashboard.pages.workflows.shapes import FOREMOST, Look, in_words, looks_of, name_of

TOLD_SHAPES = 30
FOLDED = {
    Folding.SIBLINGS: N_("Tasks of one type with the same parents and children are drawn as one stack."),
    Folding.ALIKE: N_(
        "There are too many tasks to draw each: those of one type in like places are drawn as one stack."
    ),
    Folding.CROWDS: N_(
        "Where there are too many tasks at one depth to draw each, those of one type, or all, are drawn as one stack."
    ),
    Folding.TYPES: N_("There are too many tasks to draw each: those of one type and depth are drawn as one stack."),
    Folding.LAYERS: N_("There are too many tasks to draw each: those of several depths are drawn as one stack."),
}
# The zoom of dashboard/browser/graph.js, by buttons whose clicks it keeps from the server.
ZOOMS = (
    ("graph_zoom_in", "zoom_in", N_("Zoom in")),
    ("graph_zoom_out", "zoom_out", N_("Zoom out")),
    ("graph_zoom_all", "zoom_out_map", N_("Show the whole graph")),
)


def show_graph(detail: Detail, found: Collection[int]) -> None:
    """Shows the graph; `found` are the positions of the shapes that were searched for."""
    drawing, now = detail.drawing, detail.now
    looks = looks_of(drawing, now)
    spec = figure_of(now.workflow.id, drawing, looks, detail.forecast.path, found, now.at)
    title = _title(len(now.nodes), len(drawing.shapes))
    with st.container(key="workflow_graph"):
        draw(
            title,
            go.Figure(spec, _validate=False),
            alt=_in_words(title, looks),
            key="workflow_figure",
            height_px=height_px(drawing),
            config=CONFIG,
        )
    if told := _told_of(drawing):
        st.caption(told)


def show_zoom() -> None:
    """Shows the buttons that zoom the graph, outside of what refreshes itself."""
    for key, icon, label in ZOOMS:
        st.button(" ", key=key, icon=f":material/{icon}:", help=_(label), type="tertiary")


def _title(tasks: int, shapes: int) -> str:
    title = ngettext("{count} task", "{count} tasks", tasks).format(count=number(tasks))
    if shapes == tasks:
        return title
    return _("{tasks} in {count} shapes").format(tasks=title, count=number(shapes))


def _told_of(drawing: Drawing) -> str:
    """Returns what the drawing leaves out, and how to read it."""
    parts = []
    if any(shape.is_stack for shape in drawing.shapes):
        parts.append(_(FOLDED[drawing.folding]))
    if drawing.is_reduced:
        parts.append(_("Lines that follow from others are left out."))
    if drawing.left_out:
        text = ngettext("{count} more line is not drawn.", "{count} more lines are not drawn.", drawing.left_out)
        parts.append(text.format(count=number(drawing.left_out)))
    return " · ".join(parts)


def _in_words(title: str, looks: list[Look]) -> str:
    """Describes the graph for those who can't see it: the shapes that need attention first."""
    order = {state.value: rank for rank, state in enumerate(FOREMOST)}
    foremost = sorted(looks, key=lambda look: order.get(look.state, len(order)))[:TOLD_SHAPES]
    return _("{title}. {text}").format(
        title=title, text=enumerated(labelled(name_of(look.shape), in_words(look)) for look in foremost)
    )
