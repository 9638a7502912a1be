"""Keeps where a viewer is in a task's log: at its newest lines, on a page before, or around one of its lines.

The address has it: `log_before`, the end of the page, or `log_at`, the line. Only the page at which a viewer stopped
to follow is not a step of theirs, and is kept in the session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import streamlit as st

from taskyard.core.postgres.store.audit import EventCursor
from taskyard.core.postgres.store.task_logs import LogFilter, LogPage
from taskyard.dashboard.components import address
from taskyard.dashboard.pages.task import data

BEFORE, AT = "log_before", "log_at"
FOLLOW_KEY = "log_follow"
HELD_KEY = "log_held"  # the log, and the end of its page
NEWER_KEY = "log_came_from"  # by the end of a page gone to: that of the page it was gone to from
TOP_KEY = "log_top"  # the page that is shown from its top


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a log: `before` is the end of a page, `at` a line; at the newest lines both are empty."""

    task_id: str
    only: LogFilter
    before: str = ""
    at: str = ""

    @classmethod
    def asked(cls, task_id: str, only: LogFilter) -> Self:
        """Returns the place that the address names; raises SubmissionError if it makes no sense."""
        before, at = st.query_params.get(BEFORE, ""), st.query_params.get(AT, "")
        for text in filter(None, (before, at)):
            EventCursor.parse(text)
        held, end = st.session_state.get(HELD_KEY, (None, ""))
        if not before and not at and held == (task_id, only):
            before = end
        return cls(task_id, only, before, at)

    @property
    def is_newest(self) -> bool:
        """Returns True at the newest lines, which follow what is written."""
        return not self.before and not self.at

    @property
    def starts_at(self) -> str:
        """Returns what of the page is seen first: its end, its top, or the line."""
        return "line" if self.at else "top" if self.before == st.session_state.get(TOP_KEY) else "end"

    def older(self, end: str) -> None:
        """Goes to the page before; for callbacks."""
        st.session_state.setdefault(NEWER_KEY, {})[end] = self.before
        st.session_state.pop(TOP_KEY, None)
        _go(end)

    def newer(self, page: LogPage) -> None:
        """Goes to the page behind; for callbacks. Of a search that is the one that it came from, or else the newest."""
        if self.only.is_empty and page.places:
            end = data.log_end_of_next(self.task_id, str(page.places[-1])).value or ""
        else:
            end = st.session_state.get(NEWER_KEY, {}).get(self.before, "")
        st.session_state[TOP_KEY] = end or None
        _go(end)

    def follow(self, page: LogPage) -> None:
        """Goes to the newest lines, or stays at the page as it is, by the switch; for callbacks."""
        st.session_state.pop(TOP_KEY, None)
        st.session_state.pop(HELD_KEY, None)
        if st.session_state[FOLLOW_KEY]:
            _go("")
        elif page.entries:
            st.session_state[HELD_KEY] = (self.task_id, self.only), str(page.end())


def way_to(place: EventCursor) -> dict[str, str]:
    """Returns the address of the lines around a line, whatever is searched for."""
    left_out = dict.fromkeys(("log_text", "log_attempt", "log_kinds", BEFORE))
    return address.here(**left_out, **{AT: str(place)})


def _go(end: str) -> None:
    st.session_state.pop(HELD_KEY, None)
    address.change(**{AT: None, BEFORE: end or None})
