"""Draws the leading worker and its ticks."""

from __future__ import annotations

import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.views.system import Leadership, Samples
from taskyard.dashboard.components.charts import Line, time_chart
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data import base
from taskyard.dashboard.i18n import _, enumerated, ngettext

FIGURE_WIDTH_PX = 170
CHART_WIDTH_PX = 420


def show_leadership(found: Leadership) -> None:
    """Shows who leads, since when, and the ticks of the last second."""
    if not found.is_led:
        st.warning(
            _("Nothing is scheduled until a worker leads. Tasks are accepted and wait."),
            title=_("No worker leads"),
            icon=":material/person_off:",
        )
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            if found.epoch == 0:
                st.text(_("No worker has led this installation yet."))
            else:
                if found.is_led:
                    st.badge(_("leads"), color="green", icon=":material/check_circle:")
                else:
                    st.badge(_("led last"), color="gray")
                st.text(found.worker, width="stretch")
        if found.epoch:
            agents = ngettext("{count} agent", "{count} agents", found.agents).format(count=found.agents)
            span = duration(max(0.0, base.now().timestamp() - found.since.timestamp()))
            text = _("Since {time} ({span}), term {epoch}").format(
                time=shown_time(found.since), span=span, epoch=found.epoch
            )
            st.caption(enumerated([text, agents]) if found.is_led else text)
    if found.dispatcher is None:
        if found.is_led:
            st.caption(_("No tick figures yet."))
        return
    ticks = found.dispatcher
    with st.grid(5, min_column_width=FIGURE_WIDTH_PX):
        for label, value, help_ in (
            (_("Ticks"), _("{n} / s").format(n=number(ticks.ticks_per_second)), _("That changed something")),
            (_("Tick duration"), duration(ticks.tick_seconds_mean), _("From collecting to publishing, mean")),
            (_("Longest tick"), duration(ticks.tick_seconds_max), _("Of the last second")),
            (_("Commit"), duration(ticks.commit_seconds_mean), _("Commit time per tick, mean")),
            (
                _("Batch"),
                f"{number(ticks.batch_size_mean)} / {number(ticks.batch_size_max)}",
                _("Tasks per tick: mean and maximum"),
            ),
        ):
            st.metric(label, value, border=True, height="stretch", help=help_)


def show_charts(samples: Samples) -> None:
    """Shows the leader's ticks over the range; gaps are times without a leader."""
    with st.grid(2, min_column_width=CHART_WIDTH_PX):
        time_chart(
            _("Tick duration"),
            samples.at,
            [
                Line(_("tick"), "blue", samples.one("dispatcher", "tick_seconds_mean")),
                Line(_("commit"), "violet", samples.one("dispatcher", "commit_seconds_mean")),
            ],
            key="tick_time",
            is_seconds=True,
        )
        time_chart(
            _("Ticks"),
            samples.at,
            [Line(_("ticks"), "blue", samples.one("dispatcher", "ticks_per_second"))],
            key="tick_rate",
            unit=_("per s"),
        )
        time_chart(
            _("Tasks per tick"),
            samples.at,
            [Line(_("mean"), "green", samples.one("dispatcher", "batch_size_mean"))],
            key="tick_batch",
            unit=_("tasks"),
        )
