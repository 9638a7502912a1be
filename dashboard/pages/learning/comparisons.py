"""Draws hourly comparisons of placement policies: the last one of each queue, and those of one queue over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from taskyard.core.humanize import number, percent
from taskyard.core.learning.comparison import Waits
from taskyard.dashboard.components import address
from taskyard.dashboard.components.charts import Line, Spec, draw, in_words, plain, time_spec
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.paging import ROWS, page_of
from taskyard.dashboard.components.policies import policy_name
from taskyard.dashboard.components.ranges import pick_range
from taskyard.dashboard.components.tables import show_table, table_height, value_column
from taskyard.dashboard.components.theme import color
from taskyard.dashboard.components.times import duration, time_column
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.learning import comparisons_data as data
from taskyard.dashboard.pages.learning.comparisons_data import Compared, Comparisons
from taskyard.dashboard.shell import frame

QUEUE = "compared"  # in the address
QUEUE_WIDTH_PX, CHART_WIDTH_PX = 260, 420
ACTING_COLORS, OTHER_COLORS = ("blue", "green"), ("orange", "violet")
HEIGHT_PX = 280


def show_comparisons() -> None:
    """Lets the viewer pick a range and a queue, and shows what policies make of recorded work each hour."""
    st.subheader(
        _("Policies compared each hour"),
        help=_(
            "The worker replays the last six hours of queues with the policy learned, and of those in shadow mode"
            " (TASKYARD_SHADOW_QUEUES): once with the policy that acts, once with the other one. Nothing else changes."
        ),
    )
    range_seconds = pick_range(default="7d")
    queue = _pick_queue(data.compared_queues(range_seconds))
    frame.live(
        "learning_comparisons",
        lambda: data.comparisons(range_seconds, queue),
        _show,
        about=(range_seconds, queue),
        every_seconds=30.0,
        shows_update_time=False,
        height_px=300,
    )


def _pick_queue(known: Sequence[str]) -> str:
    """Lets the viewer pick the queue of the charts; returns an empty name if there is none."""
    asked = st.query_params.get(QUEUE, "")
    options = [*known, *([asked] if asked and asked not in known else [])]
    if not options:
        return ""
    chosen = st.selectbox(_("Queue"), options, width=QUEUE_WIDTH_PX, **address.choice(QUEUE, options, options[0]))
    return chosen or options[0]


def _show(found: Comparisons) -> None:
    if not found.latest:
        show_nothing(
            _(
                "No policies were compared in this time range. Queues with the policy learned are, and those that"
                " TASKYARD_SHADOW_QUEUES names, once tasks of theirs have ended."
            ),
            "compare_arrows",
        )
        return
    _show_latest(found.latest)
    if found.of_queue:
        _show_over_time(found.of_queue)


def _show_latest(latest: Sequence[Compared]) -> None:
    shown = page_of(latest, ROWS, key="learning_comparisons_page")
    rows = [
        {
            "queue": one.queue,
            "compared_at": one.at,
            "tasks": one.tasks,
            "acting": policy_name(one.acting),
            "other": policy_name(one.policy),
            "mean": one.replayed and one.replayed.mean,
            "mean_change": _change(one, lambda waits: waits.mean),
            "p99": one.replayed and one.replayed.p99,
            "p99_change": _change(one, lambda waits: waits.p99),
            "note": note_of(one),
        }
        for one in shown
    ]
    names = ("mean", "mean_change", "p99", "p99_change")
    show_table(
        pd.DataFrame(rows).astype(dict.fromkeys(names, float)),
        alt=_("The last comparison of each queue"),
        columns={
            "queue": st.column_config.TextColumn(_("Queue"), pinned=True, width=130),
            "compared_at": time_column(_("Compared at"), width=130),
            "tasks": st.column_config.NumberColumn(_("Tasks"), format="localized", width=80),
            "acting": st.column_config.TextColumn(_("Acting policy"), width=120),
            "other": st.column_config.TextColumn(_("Other policy"), width=120),
            "mean": value_column(_("Mean wait"), help=_("With the acting policy, replayed"), width=100),
            "mean_change": value_column(_("With the other"), help=_("Change of the mean wait"), width=110),
            "p99": value_column(_("p99 of waits"), help=_("With the acting policy, replayed"), width=100),
            "p99_change": value_column(_("p99 with the other"), help=_("Change of the p99 of waits"), width=130),
            "note": st.column_config.TextColumn(_("Note"), width=200),
        },
        words={"mean": duration, "mean_change": signed_percent, "p99": duration, "p99_change": signed_percent},
        key="learning_comparisons_table",
        height=table_height(len(rows)),
    )


def note_of(one: Compared) -> str:
    """Returns what to know of a comparison before believing it; empty if nothing."""
    if one.replayed is None:
        return _("no task ended")
    if not one.has_waited:
        return _("nothing waited for a second")
    return "" if one.is_trusted else _("not to be trusted")


def signed_percent(share: float) -> str:
    """Returns a change as a percentage with its sign."""
    text = percent(abs(share))
    return text if text == percent(0.0) else f"{'+' if share > 0 else '−'}{text}"


def _change(one: Compared, of: Callable[[Waits], float]) -> float | None:
    if one.replayed is None or one.other is None or not one.has_waited:
        return None
    return data.change(of(one.replayed), of(one.other))


def _show_over_time(made: Sequence[Compared]) -> None:
    charts: Sequence[tuple[str, str, Callable[[Waits], float]]] = (
        ("mean", _("{queue}: mean wait"), lambda waits: waits.mean),
        ("p99", _("{queue}: 99th percentile of waits"), lambda waits: waits.p99),
    )
    with st.grid(len(charts), min_column_width=CHART_WIDTH_PX):
        for name, title, of in charts:
            with st.container():
                shown = title.format(queue=escaped(made[0].queue))
                draw(
                    shown,
                    go.Figure(comparisons_spec(made, of), _validate=False),
                    alt=in_words(title.format(queue=made[0].queue), lines_of(made, of), is_seconds=True),
                    key=f"learning_comparisons_{name}",
                    height_px=HEIGHT_PX,
                )
    st.caption(caption_of(made))


def lines_of(made: Sequence[Compared], of: Callable[[Waits], float]) -> list[Line]:
    """Returns a line for the record, for each policy that acted and for each that it was compared with."""

    def line(name: str, color_: str, waits: Sequence[Waits | None]) -> Line:
        return Line(name, color_, [None if one is None else of(one) for one in waits])

    found = [line(_("recorded"), "gray", [one.recorded for one in made])]
    for place, policy in enumerate(dict.fromkeys(one.acting for one in made)):
        name = _("{policy}, replayed (acts)").format(policy=policy_name(policy))
        waits = [one.replayed if one.acting == policy else None for one in made]
        found.append(line(name, ACTING_COLORS[place % len(ACTING_COLORS)], waits))
    for place, policy in enumerate(dict.fromkeys(one.policy for one in made)):
        name = _("{policy}, replayed").format(policy=policy_name(policy))
        waits = [one.other if one.policy == policy else None for one in made]
        found.append(line(name, OTHER_COLORS[place % len(OTHER_COLORS)], waits))
    return found


def comparisons_spec(made: Sequence[Compared], of: Callable[[Waits], float]) -> Spec:
    """Returns a figure over time as plotly's JSON; what is not to be trusted is crossed out."""
    spec = time_spec([one.at.timestamp() for one in made], lines_of(made, of), is_seconds=True)
    doubtful = [of(one.other) if one.other is not None and not one.is_trusted else None for one in made]
    if any(value is not None for value in doubtful):
        spec["data"].append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": plain(_("not to be trusted")),
                "x": spec["data"][0]["x"],
                "y": doubtful,
                "marker": {"symbol": "x", "size": 9, "color": color("red")},
                "hovertemplate": plain(_("the replay is off the record")),
            }
        )
    return spec


def caption_of(made: Sequence[Compared]) -> str:
    """Returns how many comparisons say nothing, and why; otherwise how many there are."""
    text = ngettext("{count} comparison", "{count} comparisons", len(made))
    parts = [text.format(count=number(len(made)))]
    if idle := sum(not one.has_waited for one in made):
        text = _("nothing waited for a second in {some} of them: no policy can gain anything")
        parts.append(text.format(some=number(idle)))
    if doubtful := sum(one.has_waited and not one.is_trusted for one in made):
        text = ngettext(
            "{some} is not to be trusted: the replay of what acted is off the record by more than 10% and 1 s",
            "{some} are not to be trusted: the replay of what acted is off the record by more than 10% and 1 s",
            doubtful,
        )
        parts.append(text.format(some=number(doubtful)))
    return " · ".join(parts)
