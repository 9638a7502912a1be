"""Draws schedules, or one of them."""

from functools import partial
from typing import Any

import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.dashboard.components import address
from taskyard.dashboard.components.dialogs import tell
from taskyard.dashboard.components.permitted import button, lacking
from taskyard.dashboard.i18n import _
from taskyard.dashboard.navigation import WORKFLOWS
from taskyard.dashboard.pages.schedules import cards, data, editor, questions
from taskyard.dashboard.pages.task.panel import show_panel
from taskyard.dashboard.shell import frame

# What a button in a live section requests: the dialog belongs to the whole page, which outlives a refresh.
REQUESTED_KEY = "schedules_asked"
SCHEDULE = "schedule"  # in the address


def ask_later(what: str, about: Any = None) -> None:
    """Makes the whole page act on a card's button."""
    st.session_state[REQUESTED_KEY] = (what, about)
    st.rerun()


def act_now() -> None:
    """Does, or asks about, what a button requested, if one did."""
    workflow = st.session_state.pop(cards.WORKFLOW_KEY, None)
    if workflow is not None:
        st.switch_page(WORKFLOWS.path, query_params={"workflow": workflow})
    what, about = st.session_state.pop(REQUESTED_KEY, (None, None))
    if what == "details":
        st.query_params[SCHEDULE] = about.name
    elif what is not None:
        ask = {
            "new": editor.ask_schedule,
            "edit": editor.ask_schedule,
            "pause": questions.ask_to_switch,
            "resume": questions.ask_to_switch,
            "run": questions.ask_to_run,
            "backfill": questions.ask_to_backfill,
            "remove": questions.ask_to_remove,
        }[what]
        ask(about)


def show_all() -> None:
    """Shows the schedules that match the search."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            _("Search"),
            placeholder=_("Name, type, workflow or owner"),
            icon=":material/search:",
            label_visibility="collapsed",
            **address.text_field("find"),
        )
        barred = lacking(Permission.TASK_OPERATE)
        label = _("New schedule")
        if st.button(label, icon=":material/add:", key="new_schedule", shortcut="Shift+N", **button(barred)):
            ask_later("new")
    read = partial(data.found, text or "")
    frame.live("schedules", read, lambda found: cards.show_found(found, ask_later), about=text, height_px=300)


def show_one(name: str) -> None:
    """Shows one schedule."""
    if st.button(_("All schedules"), icon=":material/arrow_back:", key="all_schedules", type="tertiary"):
        del st.query_params[SCHEDULE]
        st.rerun()
    read = partial(data.detail, name)
    frame.live("schedule", read, lambda found: cards.show_detail(found, ask_later), about=name, height_px=500)


frame.header(_("Schedules"), _("What is submitted again and again"))
done = st.session_state.pop(editor.DONE_KEY, None)
if done:
    st.toast(done, icon=":material/check:")
tell()
act_now()
if SCHEDULE in st.query_params:
    show_one(st.query_params[SCHEDULE])
else:
    show_all()
show_panel()
