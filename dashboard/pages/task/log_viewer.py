"""Draws a task's log as lines: the newest, which follow what is written, or those of a page before; searched, and by
attempt and kind; or the lines around one that was found.

No more than a page is ever read. A page that a viewer has gone to, or has scrolled in (dashboard/browser/log.js), ends
where it ended then, so that nothing moves under their eyes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from taskyard.core.errors import SubmissionError
from taskyard.core.payload.typed_text import checked
from taskyard.core.postgres.store.task_logs import KINDS, LogFilter, LogPage
from taskyard.dashboard.components import address
from taskyard.dashboard.components.log_lines import show_log_lines
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.marks import show_mark
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data.base import Reading, now
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.task import data
from taskyard.dashboard.pages.task.log_place import AT, BEFORE, FOLLOW_KEY, Place, way_to
from taskyard.dashboard.shell import frame

MAX_SEARCH_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of a log, and its place; without a page, `problem` says what is wrong with the place."""

    place: Place
    page: LogPage
    problem: str = ""


def show_log(task_id: str, attempts: Sequence[int], every_seconds: float) -> None:
    """Shows the log of a task's attempts."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="log_search"):
        only = _show_filter(attempts)
    if only is not None:
        frame.live(
            "task_log",
            lambda: _read(task_id, only),
            _show,
            about=(task_id, only),
            every_seconds=every_seconds,
            shows_update_time=False,
            height_px=300,
        )


def _read(task_id: str, only: LogFilter) -> Reading[Shown]:
    """Returns the page that the address names now: a button of the section may have changed that."""
    try:
        place = Place.asked(task_id, only)
    except SubmissionError as error:
        return Reading(Shown(Place(task_id, only), LogPage((), None), error.text), now())
    if place.at:
        reading = data.log_around(task_id, place.at)
    elif only.is_empty:
        reading = data.log_page(task_id, place.before)
    else:
        reading = data.log_matches(task_id, place.before, only)
    shown = None if reading.value is None else Shown(place, reading.value)
    return Reading(shown, reading.at, reading.problems)


def _show(shown: Shown) -> None:
    place, page, only = shown.place, shown.page, shown.place.only
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="log_ways"):
        _show_ways(place, page)
    if shown.problem:
        st.caption(escaped(translate(shown.problem)))
        return
    _show_extent(place, page)
    if page.entries:
        is_search = not only.is_empty and not place.at
        with st.container(key="log_view", gap=None):
            show_log_lines(
                page.entries,
                _("Log of the task's attempts, newest last"),
                needle=only.text if is_search else "",
                hrefs=[f"?{urlencode(way_to(line))}" for line in page.places] if is_search else (),
                marked=next((n for n, line in enumerate(page.places) if str(line) == place.at), None),
            )
        show_mark("log", place.at or place.before, start=place.starts_at, follows=str(int(place.is_newest)))


def _show_filter(attempts: Sequence[int]) -> LogFilter | None:
    """Returns what is to be shown; None if what was typed can't be searched for."""
    text = st.text_input(
        _("Search in the log"),
        max_chars=MAX_SEARCH_LENGTH,
        placeholder=_("Search in the log"),
        icon=":material/search:",
        label_visibility="collapsed",
        width=260,
        **_from_newest(address.text_field("log_text")),
    )
    numbers = [str(number) for number in sorted(attempts, reverse=True)]
    attempt = st.selectbox(
        _("Attempt"),
        numbers,
        index=None,
        placeholder=_("All attempts"),
        format_func=lambda number: _("Attempt {n}").format(n=number),
        label_visibility="collapsed",
        width=150,
        **_from_newest(address.choice("log_attempt", numbers)),
    )
    kept = _from_newest(address.choices("log_kinds"))
    st.session_state[kept["key"]] = [kind for kind in st.session_state[kept["key"]] if kind in KINDS]
    kinds = st.pills(
        _("Kind"),
        KINDS,
        selection_mode="multi",
        format_func=lambda kind: _("log") if kind == "log" else kind,
        label_visibility="collapsed",
        width="content",
        **kept,
    )
    try:
        wanted = checked("text", text or "", MAX_SEARCH_LENGTH, is_required=False)
    except SubmissionError as error:
        st.caption(escaped(translate(error)))
        return None
    return LogFilter(wanted, int(attempt) if attempt else None, tuple(kinds))


def _from_newest(kept: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of a filter's widget; another filter begins with the newest lines."""
    write: Callable[[], None] = kept["on_change"]

    def restart() -> None:
        write()
        address.change(**dict.fromkeys((BEFORE, AT)))

    return {**kept, "on_change": restart}


def _show_ways(place: Place, page: LogPage) -> None:
    st.session_state[FOLLOW_KEY] = place.is_newest
    st.toggle(
        _("Follow"),
        key=FOLLOW_KEY,
        on_change=place.follow,
        args=(page,),
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
        _("Newer"),
        icon=":material/arrow_downward:",
        disabled=place.is_newest,
        key="log_newer",
        on_click=place.newer,
        args=(page,),
    )
    st.link_button(_("Download the whole log"), f"export/log.txt?id={place.task_id}", icon=":material/download:")


def _show_extent(place: Place, page: LogPage) -> None:
    """Says what of the log is shown."""
    if place.at:
        st.caption(_("The lines around the marked one.") if page.entries else _("This line no longer exists."))
    elif page.searched_to is not None:
        st.caption(_("Searched back to {time}.").format(time=shown_time(page.searched_to)))
    elif page.older is not None:
        st.caption(_("Part of the log: earlier entries exist."))
    elif not page.entries and not place.only.is_empty:
        st.caption(_("No entry matches."))
    elif not page.entries and place.is_newest:
        st.caption(_("No log output."))
