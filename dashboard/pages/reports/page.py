"""Draws the Reports page: a report of any range to view and to download, and those that the worker wrote."""

import streamlit as st

from taskyard.core.access.identity import EVERY
from taskyard.core.access.permissions import Permission
from taskyard.core.i18n import N_
from taskyard.core.reports import Report, Wording
from taskyard.core.views.seeing import sees_all_queues, sees_all_types
from taskyard.dashboard.components.address import choice
from taskyard.dashboard.components.choices import show_choice
from taskyard.dashboard.components.permitted import lacking, show_barred, show_left_out
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import viewer_zone
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import _, language, translator
from taskyard.dashboard.pages.reports import data, files, periods, preview
from taskyard.dashboard.shell import frame

PARTS = {"range": N_("Any range"), "written": N_("Daily and weekly")}
FIELD_WIDTH_PX = 220
REFRESH_SECONDS = 60.0


def show_range() -> None:
    """Shows a report of the chosen range."""
    preset, since, until = periods.pick_period()
    scope = pick_scope()
    if scope is None:
        show_left_out()
        return
    queue, type_ = scope
    zone = viewer_zone()
    if since is not None and until is not None:
        problem = periods.problem_of(since, until, base.now().astimezone(zone))
        if problem:
            st.info(problem, icon=":material/date_range:")
            return

    def read() -> Reading[Report]:
        begin, end = (since, until) if since and until else periods.span(preset, base.now().astimezone(zone))
        return data.report(begin.timestamp(), end.timestamp(), queue or None, type_ or None, zone)

    revision = preset if since is None or until is None else f"{since:%Y%m%d%H%M}_{until:%Y%m%d%H%M}"
    words = Wording(translator(), zone, language())
    frame.live(
        "report",
        read,
        lambda report: show_report(report, words, revision),
        about=(revision, queue, type_),
        every_seconds=REFRESH_SECONDS,
        height_px=600,
    )


def pick_scope() -> tuple[str, str] | None:
    """Lets the viewer choose a queue and a type; empty: all. Returns None if the viewer sees none."""
    known = data.facets().value
    queues, types = (list(known.queues), list(known.types)) if known else ([], [])
    who = viewer()
    if sees_all_queues(who):
        queues.insert(0, "")
    if sees_all_types(who):
        types.insert(0, "")
    if not queues or not types:
        return None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        queue = st.selectbox(
            _("Queue"),
            queues,
            format_func=lambda n: n or _("All queues"),
            width=FIELD_WIDTH_PX,
            **choice("queue", queues, queues[0]),
        )
        type_ = st.selectbox(
            _("Type"),
            types,
            format_func=lambda n: n or _("All types"),
            width=FIELD_WIDTH_PX,
            **choice("type", types, types[0]),
        )
    return queue or "", type_ or ""


def show_report(report: Report, words: Wording, revision: str) -> None:
    """Shows the downloads and the content."""
    files.show_downloads(report, words)
    preview.show_report(report, words, revision)


def show_written() -> None:
    """Shows the reports of days and weeks."""
    if barred := lacking(Permission.PAYLOAD_READ, queue=EVERY, type_=EVERY):
        show_barred(barred)
        return
    reading = data.written()
    if reading.value is None:
        st.warning(_("The reports folder can't be read from here."), icon=":material/folder_off:")
        for problem in reading.problems:
            st.text(translate(problem))
        return
    files.show_written(reading.value, data.file_content)


frame.header(_("Reports"))
part = show_choice(_("Part"), PARTS, "part", "range")
if part == "written":
    show_written()
else:
    show_range()
