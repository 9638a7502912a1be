"""What all pages have in common: title, live refresh, and what is said while a server is away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from taskyard.dashboard.components.times import shown_time
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.i18n import _
from taskyard.dashboard.timing import timed

REFRESH_SECONDS = 2.0
LIVE_KEY = "live"

Value = TypeVar("Value")


def header(title: str, caption: str = "") -> None:
    """The page's title and, under it, what it is for."""
    st.title(title)
    if caption:
        st.caption(caption)


def is_live() -> bool:
    """Whether the viewer lets pages refresh themselves."""
    return bool(st.session_state.get(LIVE_KEY, True))


def live(
    name: str,
    read: Callable[[], Reading[Value]],
    show: Callable[[Value], None],
    *,
    about: object = None,
    every_seconds: float | None = REFRESH_SECONDS,
    tells_time: bool = True,
    height_px: int = 200,
) -> None:
    """A section of a page that refreshes itself: reads, and shows what was read.

    `name` is unique within the app; with `every_seconds` None it stands still. While nothing can be read,
    what was read last is shown, with its time and the reason, unless that was about something else: another task,
    filter or range than `about` is. With `tells_time` False the section leaves
    the reason and the time to another one on the same page. Other errors of `read` reach the viewer by
    `dashboard.server.app.tell_error`.
    """

    @st.fragment(run_every=every_seconds if is_live() else None, key=f"section_{name}")
    def section() -> None:
        with timed(name), st.container(key=f"section_of_{name}"):
            with st.skeleton(height=height_px):
                reading = read()
            last = _last(name, about, reading)
            if tells_time:
                tell_problems(reading.problems, None if reading.problems == () else last)
                if last is not None:
                    tell_time(last)
            if last is not None and last.value is not None:
                show(last.value)
            elif not tells_time:
                st.caption(_("Nothing could be read yet."))

    section()


def tell_time(reading: Reading[Value]) -> None:
    """When what is shown was read."""
    paused = "" if is_live() else _(", paused")
    st.caption(_("Updated {time}").format(time=shown_time(reading.at)) + paused)


def tell_problems(problems: Sequence[str], last: Reading[Value] | None) -> None:
    """A calm banner, if there is a problem: what is away, and what happens next."""
    if not problems:
        return
    known = _("What is shown was known at {time}. ").format(time=shown_time(last.at)) if last else ""
    ahead = (
        _("The page goes on by itself once everything is back.")
        if is_live()
        else _("Turn Live on to see when it is back.")
    )
    st.warning(f"{known}{ahead}", title=_("Not everything can be reached"), icon=":material/cloud_off:")
    for problem in problems:
        st.text(translate(problem))


def _last(name: str, about: object, reading: Reading[Value]) -> Reading[Value] | None:
    """The reading, or the last one of this viewer that held something about the same; older ones are not kept."""
    key = f"last_{name}"
    if reading.value is not None:
        st.session_state[key] = about, reading
        return reading
    what, last = st.session_state.get(key, (None, None))
    return last if what == about else None
