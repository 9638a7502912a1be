"""Draws downloads: files of the displayed report, made on request, and those that the worker wrote."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from datetime import timedelta

import streamlit as st

from taskyard.core.humanize import byte_size
from taskyard.core.i18n import N_
from taskyard.core.reports import FORMATS, Report, Wording, file_name, render
from taskyard.core.reports.folder import ReportFile
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.reports.data import Written

SHORT_LABELS = {"pdf": "PDF", "html": "HTML", "xlsx": "Excel", "csv": "CSV (zip)", "json": "JSON"}
PERIOD_LABELS = {"daily": N_("Day"), "weekly": N_("Week")}
DUE_LABELS = {"daily": N_("the next day's on {time}"), "weekly": N_("the next week's on {time}")}
SHOWN = 20  # periods; older ones on demand


def show_downloads(report: Report, words: Wording) -> None:
    """Shows a button for each format; a separate thread makes the file when it is pressed."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for format, kind in FORMATS.items():
            st.download_button(
                SHORT_LABELS[format],
                functools.partial(
                    render, report, format, translate=words.translate, zone=words.zone, language=words.language
                ),
                file_name=file_name(report, format),
                mime=kind.media_type,
                key=f"download_{format}",
                help=_(kind.label),
                icon=":material/download:",
                on_click="ignore",
            )


def show_written(written: Written, content: Callable[[str], bytes]) -> None:
    """Shows the worker's reports, one line for each day or week with its files; `content` reads one by its name."""
    if not written.due:
        st.caption(_("The worker writes no reports: TASKYARD_REPORTS is empty."))
    else:
        dues = [
            _(DUE_LABELS[period]).format(time=shown_time(end))
            for period, end in sorted(written.due.items(), key=lambda item: item[1])
        ]
        st.caption(
            _("The worker writes each report minutes after its period: {dues}. Days and weeks are in UTC.").format(
                dues=_(", ").join(dues)
            )
        )
    if not written.files:
        show_nothing(
            _(
                "No reports yet. This page looks for them in {folder}; a worker on another host "
                "or in another container needs that same folder."
            ).format(folder=escaped(written.folder)),
            "summarize",
        )
        return
    groups = [list(files) for _key, files in itertools.groupby(written.files, lambda file: (file.period, file.since))]
    for files in groups[: None if st.session_state.get("reports_all") else SHOWN]:
        _show_period(files, content)
    if len(groups) > SHOWN:
        st.toggle(_("Show all {count}").format(count=len(groups)), key="reports_all")


def _show_period(files: Sequence[ReportFile], content: Callable[[str], bytes]) -> None:
    first = files[0]
    days = f"{first.since:%Y-%m-%d}"
    if first.period == "weekly":
        days = _("{first} to {last}").format(first=days, last=f"{first.until - timedelta(days=1):%Y-%m-%d}")
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.badge(_(PERIOD_LABELS[first.period]), color="blue" if first.period == "daily" else "violet")
        st.text(days, width="stretch")
        for file in sorted(files, key=lambda file: list(FORMATS).index(file.format)):
            st.download_button(
                f"{SHORT_LABELS[file.format]}, {byte_size(file.size_bytes)}",
                functools.partial(content, file.name),
                file_name=file.name,
                mime=FORMATS[file.format].media_type,
                key=f"written_{file.name}",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
            )
