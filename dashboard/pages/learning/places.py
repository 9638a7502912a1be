"""Draws where results fell in the distributions that were predicted for them."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from taskyard.core.humanize import number, percent
from taskyard.dashboard.components.charts import Spec, draw, plain
from taskyard.dashboard.components.theme import color
from taskyard.dashboard.components.zoom import showing
from taskyard.dashboard.i18n import _, enumerated, labelled, ngettext
from taskyard.dashboard.pages.learning.data import place_shares

HEIGHT_PX = 420


def show_places(places: Sequence[int]) -> None:
    """Shows the share of tasks in each tenth of their predicted distributions, and how to read it."""
    tasks = sum(places)
    title = _("Where results fell in their distributions")
    told = enumerated(
        labelled(name, percent(share)) for name, share in zip(_names(places), place_shares(places), strict=True)
    )
    draw(
        title,
        go.Figure(places_spec(places), _validate=False),
        alt=_("{title}. {text}").format(title=title, text=told),
        key="learning_places",
        height_px=HEIGHT_PX,
        help_=_(
            "Each task has a predicted distribution of run times. The first bar has the tasks whose run time was among"
            " its shortest tenth, the last bar those in the longest tenth. If the distributions are right, each bar has"
            " a tenth of the tasks: the dashed line."
        ),
    )
    count = ngettext("{count} task", "{count} tasks", tasks).format(count=number(tasks))
    text = _(
        "Flat is right. Many in the first bars: tasks are shorter than predicted; in the last: longer; at both ends:"
        " intervals are too narrow; in the middle: too wide."
    )
    st.caption(f"{count} · {text}")


def places_spec(places: Sequence[int]) -> Spec:
    """Returns the figure as plotly's JSON."""
    shares = place_shares(places)
    expected = 1 / len(places)
    told = [ngettext("{count} task", "{count} tasks", place).format(count=number(place)) for place in places]
    names = _names(places)
    bars = {
        "type": "bar",
        "name": plain(_("share of tasks")),
        "x": list(range(len(places))),
        "y": shares,
        "marker": {"color": color("blue")},
        "customdata": [
            [name, percent(share, 1), plain(one)] for name, share, one in zip(names, shares, told, strict=True)
        ],
        "hovertemplate": "%{customdata[0]}: %{customdata[1]}, %{customdata[2]}<extra></extra>",
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": plain(_("expected")),
        "x": [-0.5, len(places) - 0.5],
        "y": [expected, expected],
        "line": {"color": color("gray"), "width": 2, "dash": "dash"},
        "hoverinfo": "skip",
    }
    layout = {
        "hovermode": "closest",
        "showlegend": True,
        "bargap": 0.1,
        "xaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(places))),
            "ticktext": [str(place + 1) for place in range(len(places))],
            "range": [-0.5, len(places) - 0.5],
            "fixedrange": True,
            "title": {
                "text": plain(_("tenth of the predicted distribution, the shortest run times first")),
                "font": {"size": 12},
            },
        },
        "yaxis": {"tickformat": ".0%", **showing(0, max(2 * expected, max(shares) * 1.05))},
    }
    return {"data": [bars, line], "layout": layout}


def _names(places: Sequence[int]) -> list[str]:
    """Returns the bounds of the tenths."""
    return [f"{percent(at / len(places))} – {percent((at + 1) / len(places))}" for at in range(len(places))]
