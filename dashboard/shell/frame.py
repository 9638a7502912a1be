"""Draws what all pages share: title, live refresh, and the banner while a server is away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from taskyard.core.errors import NotPermitted
from taskyard.dashboard.components.permitted import reason_of, show_barred
from taskyard.dashboard.components.task_links import draw_if_opened
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data.base import Reading, now
from taskyard.dashboard.data.readings import sight_of
from taskyard.dashboard.data.viewer import Presence, presence, viewer
from taskyard.dashboard.i18n import _
from taskyard.dashboard.shell.browser import mark_age
from taskyard.dashboard.timing import timed

REFRESH_SECONDS = 2.0
LIVE_KEY = "live"
SESSION_END_KEY = "session_end_shown"  # the viewer was told that the session has ended

Value = TypeVar("Value")


def header(title: str, caption: str = "") -> None:
    """Shows the page's title and, under it, its purpose."""
    st.title(title)
    if caption:
        st.caption(caption)


def is_live() -> bool:
    """Returns True if the viewer lets pages refresh themselves, and is in."""
    return bool(st.session_state.get(LIVE_KEY, True)) and not _has_ended()


def _has_ended() -> bool:
    return bool(st.session_state.get(SESSION_END_KEY))


def live(
    name: str,
    read: Callable[[], Reading[Value]],
    show: Callable[[Value], None],
    *,
    about: object = None,
    every_seconds: float | None = REFRESH_SECONDS,
    shows_update_time: bool = True,
    height_px: int = 200,
) -> None:
    """Draws a section of a page that refreshes itself: reads, and shows what was read.

    `name` is unique within the app; with `every_seconds` None it does not refresh. While nothing can be read, the
    last reading is shown with its time and the reason, unless that was about something else (another task, filter
    or range than `about` is) or for somebody who sees something else. With `shows_update_time` False another section
    on the same page shows the reason and the time. What the viewer may not read is replaced with the reason; other
    errors of `read` reach the viewer by `dashboard.server.app.print_error`.
    """

    @st.fragment(run_every=every_seconds if is_live() else None, key=f"section_{name}")
    def section() -> None:
        draw_if_opened()
        if presence() is not Presence.IN and not _has_ended():
            st.rerun()  # the whole page says so
        with timed(name), st.container(key=f"section_of_{name}"):
            try:
                with st.skeleton(height=height_px):
                    reading = Reading(None, now()) if _has_ended() else read()
            except NotPermitted as error:
                show_barred(reason_of(error))
                return
            last = _last(name, about, reading)
            if shows_update_time:
                show_problems(reading.problems, None if reading.problems == () else last)
                if last is not None:
                    show_update_time(name, last, every_seconds)
            if last is not None and last.value is not None:
                show(last.value)
            elif not shows_update_time:
                st.caption(_("No data could be read yet."))

    section()


def show_update_time(name: str, reading: Reading[Value], every_seconds: float | None) -> None:
    """Shows the time of a section's reading, and its age, which the browser keeps up."""
    paused = "" if is_live() else _(", paused")
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.caption(_("Updated {time}").format(time=shown_time(reading.at)) + paused, width="content")
        if every_seconds is not None:
            age = (now() - reading.at).total_seconds()
            mark_age(name, reading.at.timestamp(), age, every_seconds, is_paused=not is_live())


def show_problems(problems: Sequence[str], last: Reading[Value] | None) -> None:
    """Shows a banner, if there is a problem: what is away, and what happens next."""
    if not problems:
        return
    known = _("Data as of {time}. ").format(time=shown_time(last.at)) if last else ""
    ahead = (
        _("The page refreshes by itself once everything is back.")
        if is_live()
        else _("Turn Live on to refresh automatically.")
    )
    st.warning(f"{known}{ahead}", title=_("Some servers can't be reached"), icon=":material/cloud_off:")
    for problem in problems:
        st.text(translate(problem))


def _last(name: str, about: object, reading: Reading[Value]) -> Reading[Value] | None:
    """Returns the reading, or this viewer's last one about the same that has a value; older ones are not kept.

    What was read while the viewer saw something else is not returned.
    """
    key = f"last_{name}"
    if reading.value is not None:
        st.session_state[key] = about, reading, sight_of(viewer())
        return reading
    what, last, sight = st.session_state.get(key, (None, None, None))
    return last if what == about and sight == sight_of(viewer()) else None
