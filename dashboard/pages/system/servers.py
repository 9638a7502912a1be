"""Draws PostgreSQL and Redis: availability, latency, the doctor's checks."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from taskyard.core.health.check import Check
from taskyard.core.humanize import MEBIBYTE, byte_size, number, percent
from taskyard.core.views.system import Samples, ServerNow, ServersNow
from taskyard.dashboard.components.charts import Line, time_chart
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, labelled, ngettext

CARD_WIDTH_PX = 420
FIGURE_WIDTH_PX = 105
CHART_WIDTH_PX = 420


def show_servers(now: ServersNow) -> None:
    """Shows a card for each server."""
    with st.grid(2, min_column_width=CARD_WIDTH_PX):
        _show_server("PostgreSQL", now.postgresql, _postgresql(now.postgresql))
        _show_server("Redis", now.redis, _redis(now.redis))


def show_checks(checks: Sequence[Check]) -> None:
    """Shows problems and advice; passed checks can be unfolded."""
    troubles = [check for check in checks if not check.ok or check.warning]
    for check in troubles:
        with st.container(border=True, gap="small"):
            with st.container(horizontal=True, vertical_alignment="center"):
                if check.ok:
                    st.badge(_("worth changing"), color="orange", icon=":material/warning:")
                else:
                    st.badge(_("does not work"), color="red", icon=":material/error:")
                st.text(_shown(check), width="stretch")
            st.text(translate(check.advice))
    fine = [check for check in checks if check not in troubles]
    title = ngettext("{count} check passed", "{count} checks passed", len(fine)).format(count=len(fine))
    with st.expander(title, icon=":material/check_circle:", expanded=False):
        for check in fine:
            st.text(_shown(check))
        st.caption(_("`taskyard doctor` also checks the worker's machine."))


def show_charts(samples: Samples) -> None:
    """Shows latency and key figures over the range, as the leader measured them."""

    def scaled(source: str, metric: str, factor: float) -> list[float | None]:
        return [None if value is None else value * factor for value in samples.one(source, metric)]

    with st.grid(2, min_column_width=CHART_WIDTH_PX):
        time_chart(
            _("Latency"),
            samples.at,
            [
                Line("PostgreSQL", "blue", samples.one("postgresql", "latency_seconds")),
                Line("Redis", "red", samples.one("redis", "latency_seconds")),
            ],
            key="server_latency",
            is_seconds=True,
        )
        time_chart(
            _("Connections"),
            samples.at,
            [
                Line("PostgreSQL", "blue", samples.one("postgresql", "connections")),
                Line("Redis", "red", samples.one("redis", "clients")),
            ],
            key="server_connections",
            unit=_("connections"),
        )
        time_chart(
            _("Transactions and commands"),
            samples.at,
            [
                Line(_("PostgreSQL commits"), "blue", samples.one("postgresql", "commits_per_second")),
                Line(_("PostgreSQL rollbacks"), "orange", samples.one("postgresql", "rollbacks_per_second")),
                Line(_("Redis commands"), "red", samples.one("redis", "commands_per_second")),
            ],
            key="server_work",
            unit=_("per s"),
        )
        time_chart(
            _("Size"),
            samples.at,
            [
                Line(_("PostgreSQL database"), "blue", scaled("postgresql", "size_bytes", 1 / MEBIBYTE)),
                Line(_("Redis memory"), "red", scaled("redis", "memory_bytes", 1 / MEBIBYTE)),
            ],
            key="server_size",
            unit="MiB",
        )


def _shown(check: Check) -> str:
    return labelled(translate(check.name), translate(check.found))


def _show_server(name: str, server: ServerNow, figures: Sequence[tuple[str, str, str]]) -> None:
    with st.container(border=True, height="stretch"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(name, width="content")
            if server.problem is None:
                st.badge(_("up"), color="green", icon=":material/check_circle:")
            else:
                st.badge(_("down"), color="red", icon=":material/cloud_off:")
            st.space("stretch")
            st.caption(server.version, width="content")
        if server.problem is not None:
            st.text(translate(server.problem))
            return
        with st.grid(4, min_column_width=FIGURE_WIDTH_PX, gap="small"):
            for label, value, help_ in figures:
                st.metric(label, value, help=help_ or None)
        if server.started_at is not None:
            st.caption(_("Runs since {time}").format(time=shown_time(server.started_at)))


def _postgresql(server: ServerNow) -> list[tuple[str, str, str]]:
    found = server.figures or {}
    connections = f"{number(found.get('connections', 0))} / {number(found.get('max_connections', 0))}"
    return [
        (_("Latency"), duration(server.latency_seconds), _("One request and its answer, from this dashboard")),
        (_("Connections"), connections, _("To our database, out of the server's maximum")),
        (_("Cache hits"), percent(found.get("cache_hit_ratio"), 1), _("Blocks found in memory")),
        (_("Size on disk"), byte_size(found.get("size_bytes")), ""),
    ]


def _redis(server: ServerNow) -> list[tuple[str, str, str]]:
    found = server.figures or {}
    limit = found.get("memory_limit_bytes")
    most = _("Peak so far: {size}. ").format(size=byte_size(found.get("memory_peak_bytes")))
    allowed = _("Limit: {size}.").format(size=byte_size(limit)) if limit else _("No limit configured.")
    evicted = found.get("evicted_keys", 0)
    return [
        (_("Latency"), duration(server.latency_seconds), _("One request and its answer, from this dashboard")),
        (_("Clients"), number(found.get("clients", 0)), _("Connections to the server")),
        (
            _("Commands"),
            _("{n} / s").format(n=number(found.get("commands_per_second", 0))),
            _("In the last second"),
        ),
        (
            _("Memory"),
            byte_size(found.get("memory_bytes")),
            most + allowed + (" " + _("{n} keys were evicted!").format(n=number(evicted)) if evicted else ""),
        ),
    ]
