"""Draws empty lists and new installations."""

from __future__ import annotations

import streamlit as st

from taskyard.dashboard.components.permitted import narrowing
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import _
from taskyard.dashboard.navigation import SUBMIT

FIRST_TASK = """\
from taskyard import submit

print(submit("diagnostic.echo", {"value": "hello"}, title="My first task"))
"""


def show_first_steps() -> None:
    """Shows how to submit a first task, in a new installation; to a narrowed viewer that none of theirs is there."""
    if limits := narrowing(viewer()):
        with st.container(border=True, key="empty"):
            text = _("There are no tasks in what your role shows ({limits}).").format(limits=limits)
            st.markdown(f":material/inbox: {text}")
        return
    with st.container(border=True, key="empty"):
        st.subheader(_("There are no tasks yet"))
        st.markdown(_("Submit one with the form, or from Python in the repository's folder. It appears here at once."))
        st.page_link(SUBMIT.path, label=_("Submit a task"), icon=":material/add_task:")
        st.code(FIRST_TASK, wrap_lines=True)
        st.caption(_("`make run` starts everything needed, with sample tasks."))


def show_nothing(text: str, icon: str = "inbox") -> None:
    """Shows that a list is empty, and why that is fine or what to do; `text` is already translated and ours.

    A narrowed viewer is told of what that is true: others may have something there.
    """
    with st.container(border=True):
        st.markdown(f":material/{icon}: {text}")
        if limits := narrowing(viewer()):
            st.caption(_("Your role shows only {limits}.").format(limits=limits))
