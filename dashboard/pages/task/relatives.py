"""Draws a task's related tasks, as links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from taskyard.core.edges import Condition, EdgeState
from taskyard.core.i18n import N_
from taskyard.core.postgres.store.related_tasks import Related, SimilarFailure
from taskyard.core.views.attempts import name_of
from taskyard.core.views.workflows import SeenWorkflow
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.states import WORKFLOW_COLORS, show_badge
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import task_button
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _
from taskyard.dashboard.navigation import TASKS, WORKFLOWS
from taskyard.dashboard.pages.task.data import Relatives

SHOWN = 20
EDGES: Mapping[EdgeState, tuple[str, Any, str]] = {
    EdgeState.WAITS: (":material/hourglass_top:", "orange", N_("waits")),
    EdgeState.MET: (":material/check:", "green", N_("met")),
    EdgeState.NEVER: (":material/block:", "red", N_("can't be met")),
}
CONDITIONS: Mapping[Condition, str] = {
    Condition.COMPLETED: N_("once completed"),
    Condition.ENDED: N_("once ended"),
    Condition.FAILED: N_("if it fails"),
}


def show_relatives(found: Relatives) -> None:
    """Shows its submitter, its children, its parents, its dependants, and its workflow."""
    if found.is_alone:
        st.caption(_("No related tasks"))
        return
    _show("parent", _("Submitted by the task"), found.parents)
    _show("awaited", _("Starts after"), found.awaited)
    _show("child", _("Submitted by it"), found.children)
    _show_workflows(found.workflows)
    _show("dependant", _("Starting after it"), found.dependants)
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
            _show_edge(task)
    if len(tasks) > SHOWN:
        st.caption(_("and {count} more").format(count=len(tasks) - SHOWN))


def _show_workflows(workflows: Sequence[SeenWorkflow]) -> None:
    """Shows the workflows that its handler submitted."""
    if not workflows:
        return
    st.markdown(f"**{_('Workflows submitted by it')}** ({len(workflows)})")
    for one in workflows:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            show_badge(one.state, WORKFLOW_COLORS)
            label = escaped(f"{one.title or one.name} {shortened_id(one.id)}", 80)
            icon, query = ":material/account_tree:", {"workflow": one.id}
            st.page_link(WORKFLOWS.path, label=label, icon=icon, query_params=query)


def _show_edge(task: Related) -> None:
    """Shows whether the later of two tasks waits for the earlier, may start, or never can, and for which end."""
    if task.edge is None or task.condition is None:
        return
    icon, color, label = EDGES[task.edge]
    st.badge(_(label), icon=icon, color=color)
    parts = [_(CONDITIONS[task.condition])]
    if task.met_at is not None and task.edge is EdgeState.MET:
        parts.append(shown_time(task.met_at))
    st.caption(" · ".join(map(escaped, parts)), width="content")


def _link(kind: str, task_id: str, name: str) -> None:
    label = escaped(f"{name} {shortened_id(task_id)}", 80)
    task_button(task_id, label, key=f"{kind}_{task_id}")
