"""Draws a task's related tasks, as links."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from taskyard.core.postgres.store.related_tasks import Related, SimilarFailure
from taskyard.core.views.attempts import name_of
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.states import show_badge
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import task_button
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _
from taskyard.dashboard.navigation import TASKS
from taskyard.dashboard.pages.task.data import Relatives

SHOWN = 20


def show_relatives(found: Relatives) -> None:
    """Shows its submitter, its children, its parents, its dependants, and its workflow."""
    if found.is_alone:
        st.caption(_("No related tasks"))
        return
    _show("parent", _("Submitted by the task"), found.parents)
    _show("awaited", _("Waits for"), found.awaited)
    _show("child", _("Submitted by it"), found.children)
    _show("dependant", _("Waiting for it"), found.dependants)
    if found.workflow_id:
        st.page_link(
            TASKS.path,
            label=_("All tasks of its workflow"),
            icon=":material/account_tree:",
            query_params={"workflow_id": found.workflow_id},
        )


def show_failures(tasks: Sequence[SimilarFailure]) -> None:
    """Shows failed tasks: where and when."""
    for task in tasks:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            _link("similar", task.id, task.title or task.type)
            st.text(f"{shown_time(task.finished_at)}  {name_of(task.agent_id)}", width="content")


def _show(kind: str, title: str, tasks: Sequence[Related]) -> None:
    if not tasks:
        return
    st.markdown(f"**{title}** ({len(tasks)})")
    for task in tasks[:SHOWN]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            show_badge(task.state)
            _link(kind, task.id, task.title or task.type)
    if len(tasks) > SHOWN:
        st.caption(_("and {count} more").format(count=len(tasks) - SHOWN))


def _link(kind: str, task_id: str, name: str) -> None:
    label = escaped(f"{name} {shortened_id(task_id)}", 80)
    task_button(task_id, label, key=f"{kind}_{task_id}")
