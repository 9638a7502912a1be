"""Draws the hosts of workers, and our processes on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from taskyard.core.humanize import MEBIBYTE, byte_size, number, percent
from taskyard.core.views.system import HostCharts, Samples
from taskyard.dashboard.components.charts import Line, time_chart
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.foremost_lines import foremost_lines, lines_of, mean_of_others
from taskyard.dashboard.components.paging import ROWS, page_of
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.i18n import _, ngettext

CARD_WIDTH_PX = 420
FIGURE_WIDTH_PX = 110
CHART_WIDTH_PX = 420
DISK_IS_FULL, MEMORY_IS_FULL = 0.9, 0.95


def show_hosts(latest: Samples) -> None:
    """Shows a card for each host, and a table of processes, as of the last measured minute."""
    names = sorted(latest.of("host", "cpu_percent"))
    if not names:
        show_nothing(_("No host figures in the last minutes: a worker measures them every few seconds."), "dns")
        return
    with st.grid(2, min_column_width=CARD_WIDTH_PX):
        for name in names:
            _show_host(name, {metric: _last(latest.of("host", metric).get(name, ())) for metric in METRICS})
    cpu, memory = latest.of("process", "cpu_percent"), latest.of("process", "memory_bytes")
    rows = [
        {"name": name, "cpu": _last(cpu.get(name, ())), "memory": (_last(memory.get(name, ())) or 0.0) / MEBIBYTE}
        for name in page_of(sorted(memory), ROWS, key="processes_page")
    ]
    show_table(
        pd.DataFrame(rows, columns=["name", "cpu", "memory"]),
        alt=_("Processes with their CPU and memory"),
        columns={
            "name": st.column_config.TextColumn(_("Process"), pinned=True),
            "cpu": st.column_config.NumberColumn(_("CPU"), format="%.1f %%", help=_("100 % is one core")),
            "memory": st.column_config.NumberColumn(_("Memory"), format="%,.0f MiB"),
        },
        key="processes",
    )


METRICS = ("cpu_percent", "load_1min", "memory_used_bytes", "memory_used_ratio", "disk_free_bytes", "disk_used_ratio")


def show_charts(charts: HostCharts) -> None:
    """Shows hosts and processes over the range."""
    samples = charts.hosts
    with st.grid(2, min_column_width=CHART_WIDTH_PX):
        for title, metric, unit, scale in (
            (_("CPU"), "cpu_percent", "%", 1.0),
            (_("Memory in use"), "memory_used_ratio", "%", 100.0),
            (_("Disk in use"), "disk_used_ratio", "%", 100.0),
        ):
            lines = lines_of(samples.of("host", metric), scale)
            time_chart(title, samples.at, lines, key=f"host_{metric}", unit=unit)
        time_chart(_("Disk and network"), samples.at, _traffic(samples), key="host_traffic", unit="MiB/s")
        time_chart(
            _("CPU of processes"),
            samples.at,
            foremost_lines(charts.cpu, _others, mean_of_others),
            key="process_cpu",
            unit="%",
        )
        time_chart(
            _("Memory of processes"),
            samples.at,
            foremost_lines(charts.memory, _others, mean_of_others, 1 / MEBIBYTE),
            key="process_memory",
            unit="MiB",
        )


def _others(count: int) -> str:
    return ngettext("{count} other process", "mean of {count} other processes", count).format(count=number(count))


def _show_host(name: str, figures: Mapping[str, float | None]) -> None:
    with st.container(border=True, gap="small"):
        st.text(name)
        with st.grid(4, min_column_width=FIGURE_WIDTH_PX, gap="small"):
            cpu = figures["cpu_percent"]
            st.metric(_("CPU"), percent(None if cpu is None else cpu / 100), help=_("Of all cores, last minute"))
            load = figures["load_1min"]
            st.metric(_("Load"), "–" if load is None else number(load), help=_("Processes waiting for a core"))
            st.metric(
                _("Memory"),
                percent(figures["memory_used_ratio"]),
                help=_("{size} in use").format(size=byte_size(figures["memory_used_bytes"])),
            )
            st.metric(
                _("Disk"),
                percent(figures["disk_used_ratio"]),
                help=_("{size} free on the data disk").format(size=byte_size(figures["disk_free_bytes"])),
            )
        if (figures["disk_used_ratio"] or 0.0) >= DISK_IS_FULL:
            st.badge(_("The disk is nearly full"), color="red", icon=":material/warning:")
        if (figures["memory_used_ratio"] or 0.0) >= MEMORY_IS_FULL:
            st.badge(_("The memory is nearly full"), color="red", icon=":material/warning:")


def _traffic(samples: Samples) -> list[Line]:
    """Returns the bytes of all hosts together."""
    kinds: tuple[tuple[str, str, Callable[[], str]], ...] = (
        ("disk_read_bytes_per_second", "blue", lambda: _("read from disk")),
        ("disk_written_bytes_per_second", "violet", lambda: _("written to disk")),
        ("network_received_bytes_per_second", "green", lambda: _("received")),
        ("network_sent_bytes_per_second", "orange", lambda: _("sent")),
    )
    lines = []
    for metric, color, name in kinds:
        series = list(samples.of("host", metric).values())
        lines.append(Line(name(), color, [_sum(values) for values in zip(*series, strict=True)] if series else []))
    return lines


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / MEBIBYTE if known else None


def _last(values: Sequence[float | None]) -> float | None:
    """Returns the newest known value."""
    return next((value for value in reversed(values) if value is not None), None)
