"""Draws a task's log as lines: the newest, which follow what is written, or those of a page before; searched, and by
attempt and kind.

No more than a page is ever read. A page that a viewer has gone to, or has scrolled in (dashboard/browser/log.js), ends
where it ended then, so that nothing moves under their eyes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st

from taskyard.core.errors import SubmissionError
from taskyard.core.payload.typed_text import checked
from taskyard.core.postgres.store.task_logs import KINDS, LogFilter, LogPage
from taskyard.dashboard.components.log_lines import show_log_lines
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.marks import show_mark
from taskyard.dashboard.components.times import shown_time
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.task import data

PLACE_KEY, FOLLOW_KEY = "log_place", "log_follow"
MAX_SEARCH_LENGTH = 200
ALL = 0  # attempts are numbered from 1


@dataclass
class Place:
    """Where a viewer is in a log: the ends of the page shown and of the newer ones that lead there, none if it is the
    newest; `shown_end` is that of the newest page as it was shown last.
    """

    task_id: str
    only: LogFilter
    ends: list[str] = field(default_factory=list)
    shown_end: str = ""
    starts_at_top: bool = False

    def older(self, end: str) -> None:
        """Goes to the page before."""
        self.ends.append(end)
        self.starts_at_top = False

    def newer(self) -> None:
        """Goes to the page behind."""
        if self.ends:
            self.ends.pop()
        self.starts_at_top = bool(self.ends)

    def follow(self) -> None:
        """Goes to the newest page, or stays at it as it is, by the switch."""
        self.starts_at_top = False
        if st.session_state[FOLLOW_KEY]:
            self.ends.clear()
        elif self.shown_end:
            self.ends.append(self.shown_end)


def show_log(task_id: str, attempts: Sequence[int]) -> None:
    """Shows the log of a task's attempts."""
    controls = st.container(horizontal=True, vertical_alignment="center", gap="small", key="log_controls")
    with controls:
        only = _show_filter(task_id, attempts)
    if only is None:
        return
    place: Place | None = st.session_state.get(PLACE_KEY)
    if place is None or (place.task_id, place.only) != (task_id, only):
        place = st.session_state[PLACE_KEY] = Place(task_id, only)
    before = place.ends[-1] if place.ends else ""
    page = (data.log_page(task_id, before) if only.is_empty else data.log_matches(task_id, before, only)).value
    if page is None:
        return
    if not place.ends:
        place.shown_end = str(page.end() or "")
    with controls:
        _show_ways(task_id, place, page)
    _show_extent(page, only, is_newest=not place.ends)
    if page.entries:
        with st.container(key="log_view", gap=None):
            show_log_lines(page.entries, _("Log of the task's attempts, newest last"), only.text)
        start = "top" if place.starts_at_top else "end"
        show_mark("log", before, start=start, follows=str(int(not place.ends)))


def _show_filter(task_id: str, attempts: Sequence[int]) -> LogFilter | None:
    """Returns what is to be shown; None if what was typed can't be searched for."""
    text = st.text_input(
        _("Search in the log"),
        key=f"log_text_{task_id}",
        max_chars=MAX_SEARCH_LENGTH,
        placeholder=_("Search in the log"),
        icon=":material/search:",
        label_visibility="collapsed",
        width=260,
    )
    attempt = st.selectbox(
        _("Attempt"),
        [ALL, *sorted(attempts, reverse=True)],
        key=f"log_attempt_{task_id}",
        format_func=lambda number: _("All attempts") if number == ALL else _("Attempt {n}").format(n=number),
        label_visibility="collapsed",
        width=150,
    )
    kinds = st.pills(
        _("Kind"),
        KINDS,
        selection_mode="multi",
        key=f"log_kinds_{task_id}",
        format_func=lambda kind: _("log") if kind == "log" else kind,
        label_visibility="collapsed",
        width="content",
    )
    try:
        wanted = checked("text", text or "", MAX_SEARCH_LENGTH, is_required=False)
    except SubmissionError as error:
        st.caption(escaped(translate(error)))
        return None
    return LogFilter(wanted, None if attempt == ALL else attempt, tuple(kinds))


def _show_ways(task_id: str, place: Place, page: LogPage) -> None:
    st.session_state[FOLLOW_KEY] = not place.ends
    st.toggle(
        _("Follow"),
        key=FOLLOW_KEY,
        on_change=place.follow,
        help=_("Shows new lines as they come. Scrolling up stops it."),
    )
    st.button(
        _("Older") if page.searched_to is None else _("Search further"),
        icon=":material/arrow_upward:",
        disabled=page.older is None,
        key="log_older",
        on_click=place.older,
        args=(str(page.older),),
    )
    st.button(
        _("Newer"), icon=":material/arrow_downward:", disabled=not place.ends, key="log_newer", on_click=place.newer
    )
    st.link_button(_("Download the whole log"), f"export/log.txt?id={task_id}", icon=":material/download:")


def _show_extent(page: LogPage, only: LogFilter, *, is_newest: bool) -> None:
    """Says what of the log is shown."""
    if page.searched_to is not None:
        st.caption(_("Searched back to {time}.").format(time=shown_time(page.searched_to)))
    elif page.older is not None:
        st.caption(_("Part of the log: earlier entries exist."))
    elif not page.entries and not only.is_empty:
        st.caption(_("No entry matches."))
    elif not page.entries and is_newest:
        st.caption(_("No log output yet."))
