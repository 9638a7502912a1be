"""Draws filters saved under a name for everyone: pick, save and delete."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.errors import TaskyardError
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.dashboard.components.dialogs import ask
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import button, lacking, show_barred
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.tasks import data, filters
from taskyard.dashboard.pages.tasks.data import MAX_NAME_LENGTH, SavedFilter

NAME_KEY, PICKED_KEY, REQUESTED_KEY = "filter_name", "filter_picked", "filter_asked"


def show_saved(saved: Sequence[SavedFilter], only: TaskFilter) -> None:
    """Shows a button with the saved filters, and a way to save the current one."""
    with st.popover(_("Saved"), icon=":material/bookmark:", key="saved_filters"):
        _show_pick(saved, only)
        _show_save(saved, only)


def open_requested() -> None:
    """Opens the dialog that a button requested."""
    asked, name, only = st.session_state.pop(REQUESTED_KEY, ("", "", None))
    if asked == "delete":
        _ask_delete(name)
    elif asked == "overwrite":
        _ask_overwrite(name, only)


def _show_pick(saved: Sequence[SavedFilter], only: TaskFilter) -> None:
    if not saved:
        st.caption(_("No filter is saved yet."))
        return
    by_name = {one.name: one for one in saved}
    name = st.selectbox(
        _("Saved filters"), list(by_name), index=None, key=PICKED_KEY, placeholder=_("Pick one"), on_change=_use
    )
    picked = by_name.get(name or "")
    if picked is None:
        return
    if picked.filter is None:
        st.error(escaped(translate(picked.problem), 500))
    st.caption(_("Saved by {actor}").format(actor=escaped(picked.actor)))
    barred = lacking(Permission.TASK_OPERATE)
    if st.button(_("Delete"), icon=":material/delete:", key="delete_filter", **button(barred)):
        st.session_state[REQUESTED_KEY] = ("delete", picked.name, only)


def _show_save(saved: Sequence[SavedFilter], only: TaskFilter) -> None:
    if only.is_empty:
        st.caption(_("Set some filters, then save them here."))
        return
    if barred := lacking(Permission.TASK_OPERATE):
        show_barred(barred)
        return
    with st.form("save_filter", border=False):
        name = st.text_input(_("Save current filters as"), max_chars=MAX_NAME_LENGTH, key=NAME_KEY)
        is_sent = st.form_submit_button(_("Save"), icon=":material/bookmark_add:", key="save_filter_send")
    if not is_sent:
        return
    if name.strip() in {one.name for one in saved}:
        st.session_state[REQUESTED_KEY] = ("overwrite", name.strip(), only)
        return
    try:
        data.save_filter(name, only, overwrite=False)
    except TaskyardError as error:
        st.error(escaped(translate(error), 500))
        return
    st.toast(_("Saved."), icon=":material/check:")
    st.rerun()


def _ask_overwrite(name: str, only: TaskFilter) -> None:
    def fields() -> None:
        st.markdown(_("A filter named **{name}** already exists.").format(name=escaped(name)))

    def act(answer: None, reason: str) -> str:
        data.save_filter(name, only, overwrite=True)
        return _("Saved.")

    ask("overwrite_filter", _("Replace the saved filter?"), fields, act, label=_("Replace"), has_reason=False)


def _ask_delete(name: str) -> None:
    def fields() -> None:
        st.markdown(_("**{name}** is deleted for all users.").format(name=escaped(name)))

    def act(answer: None, reason: str) -> str:
        data.delete_filter(name)
        return _("Deleted.")

    ask("delete_filter", _("Delete the saved filter?"), fields, act, label=_("Delete"), has_reason=False)


def _use() -> None:
    """Puts the picked filter into the address."""
    reading = data.saved_filters()
    picked = {one.name: one for one in reading.value or ()}.get(st.session_state[PICKED_KEY] or "")
    if picked is not None and picked.filter is not None:
        filters.put(picked.filter)
