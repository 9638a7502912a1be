"""Draws one workflow: how far it is, and its graph, its timeline or its tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import streamlit as st

from taskyard.core.humanize import number, percent_done
from taskyard.core.i18n import N_
from taskyard.dashboard.components import address, device
from taskyard.dashboard.components.choices import show_choice
from taskyard.dashboard.components.list_controls import pick_text
from taskyard.dashboard.components.markdown_escape import escaped, one_line
from taskyard.dashboard.components.states import STATE_COLORS, WORKFLOW_COLORS, show_badge, word
from taskyard.dashboard.components.task_links import go, task_button, without_task
from taskyard.dashboard.components.times import duration, time_of
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, labelled, ngettext
from taskyard.dashboard.navigation import TASKS, WORKFLOWS
from taskyard.dashboard.pages.workflows import actions, data
from taskyard.dashboard.pages.workflows.data import Detail, Forecast, SeenWorkflow
from taskyard.dashboard.pages.workflows.gantt import show_gantt
from taskyard.dashboard.pages.workflows.graph import show_graph, show_zoom
from taskyard.dashboard.pages.workflows.listing import NAME, WORKFLOW, ran_of
from taskyard.dashboard.pages.workflows.members import STACK, STATE, fits, pick_state, show_members
from taskyard.dashboard.pages.workflows.shapes import FOREMOST
from taskyard.dashboard.shell import frame

GRAPH, TIMELINE, LIST = "graph", "timeline", "tasks"
VIEWS: Mapping[str, str] = {GRAPH: N_("Graph"), TIMELINE: N_("Timeline"), LIST: N_("Tasks")}
ON_A_PHONE: Mapping[str, str] = {LIST: VIEWS[LIST], TIMELINE: VIEWS[TIMELINE]}
FIND, VIEW = "find", "view"
MAX_FOUND = 8
PROGRESS_WIDTH_PX = 220


def workflow_page(workflow_id: str) -> None:
    """Draws the page of one workflow."""
    st.query_params[WORKFLOW] = workflow_id  # a link to the same page leaves the browser's address as it was
    show_way_back()
    first = data.now(workflow_id)
    if first.value is None and not first.problems:
        frame.header(_("Workflow"))
        st.info(
            _("There is no workflow with the id {id}.").format(id=escaped(workflow_id)), icon=":material/search_off:"
        )
        return
    known = first.value.workflow if first.value else None
    frame.header(escaped(known.title or known.name) if known else _("Workflow"))
    frame.live("workflow", lambda: data.detail(workflow_id), show_head, about=workflow_id, height_px=200)
    view, text, state = _pick(known.counts if known else {})
    frame.live(
        f"workflow_{view}",
        lambda: data.detail(workflow_id),
        lambda detail: _show(detail, view, text, state),
        about=workflow_id,
        shows_update_time=False,
        height_px=400,
    )


def show_way_back() -> None:
    """Shows a button that leads to the list."""
    st.button(
        _("All workflows"), icon=":material/arrow_back:", type="tertiary", key="workflows_back", on_click=_go_back
    )


def show_head(detail: Detail) -> None:
    """Shows the state, progress and facts of a workflow, and its actions."""
    workflow = detail.now.workflow
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="workflow_head"):
        show_badge(workflow.state, WORKFLOW_COLORS)
        st.page_link(
            WORKFLOWS.path,
            label=escaped(workflow.name),
            query_params={NAME: workflow.name},
            help=_("All workflows of this name"),
        )
        st.code(workflow.id, language=None, width="content")
        actions.show_actions(workflow)
        st.page_link(
            TASKS.path,
            label=_("On the page Tasks"),
            icon=":material/list:",
            query_params={"workflow_id": workflow.id},
        )
        if workflow.parent_task_id:
            task_button(
                workflow.parent_task_id, _("Submitted by a task"), key="workflow_parent", icon=":material/north_west:"
            )
    _show_progress(workflow)
    with st.container(horizontal=True, gap="medium", key="workflow_facts"):
        for name, value in _facts(workflow, detail).items():
            if value:
                st.text(labelled(name, one_line(value)), width="content")


def _show_progress(workflow: SeenWorkflow) -> None:
    """Shows how far it is, and how many tasks are in each state; a click lists these."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="workflow_counts"):
        st.progress(workflow.progress, width=PROGRESS_WIDTH_PX)
        st.text(percent_done(workflow.progress), width="content", help=_("Of the work that is predicted by run times"))
        text = _("{ran} of {count} tasks ran").format(ran=number(ran_of(workflow)), count=number(workflow.tasks))
        st.text(text, width="content")
        for state in FOREMOST:
            if workflow.counts.get(state):
                st.button(
                    f":{STATE_COLORS[state]}-badge[{number(workflow.counts[state])} {escaped(word(state))}]",
                    key=f"workflow_state_{state.value}",
                    type="tertiary",
                    on_click=_list_state,
                    args=(state.value,),
                )


def _facts(workflow: SeenWorkflow, detail: Detail) -> Mapping[str, str]:
    return {
        _("Submitted by"): workflow.created_by or _("unknown"),
        _("Submitted at"): shown_time(workflow.created_at),
        _("Duration"): duration(workflow.duration_seconds),
        _("Cancelled"): shown_time(workflow.cancelled_at) if workflow.cancelled_at else "",
        _("Ended"): shown_time(workflow.ended_at) if workflow.ended_at else "",
        _("Estimated end"): _estimate(detail.forecast, detail.now.at),
    }


def _estimate(forecast: Forecast, at: float) -> str:
    """Returns the estimated end; nothing if there is none."""
    if forecast.ends_at is None:
        return ""
    return _("{time}, in {span}").format(
        time=shown_time(time_of(forecast.ends_at)), span=duration(max(0.0, forecast.ends_at - at), is_short=True)
    )


def _pick(counts: Mapping[str, int]) -> tuple[str, str, str | None]:
    """Lets the viewer pick what is shown and search for tasks; returns the view, the text and the state of tasks."""
    views = ON_A_PHONE if device.is_narrow() else VIEWS
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        view = show_choice(_("View"), views, VIEW, next(iter(views)))
        text = pick_text(_("Key, title, type or id"))
        state = pick_state(counts) if view == LIST else None
        if view == GRAPH:
            st.space("stretch")
            show_zoom()
    return view, text.strip(), state


def _show(detail: Detail, view: str, text: str, state: str | None) -> None:
    if view == LIST:
        show_members(detail, text, state)
        return
    found = _found(detail, text) if text else ()
    if view == GRAPH:
        show_graph(detail, found)
    else:
        show_gantt(detail, found)


def _found(detail: Detail, text: str) -> Collection[int]:
    """Shows the tasks that were searched for, as buttons; returns the positions of their shapes."""
    nodes = [node for node in detail.now.nodes.values() if fits(node, text)]
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="workflow_found"):
        count = ngettext("{count} task matches:", "{count} tasks match:", len(nodes))
        st.text(count.format(count=number(len(nodes))), width="content")
        for node in nodes[:MAX_FOUND]:
            label = f":{STATE_COLORS[node.state]}-badge[{escaped(word(node.state))}] {escaped(node.key or node.id, 60)}"
            task_button(node.id, label, key=f"found_{node.id}")
        if len(nodes) > MAX_FOUND:
            st.text("…", width="content")
    shapes = detail.drawing.shape_of
    return sorted({shapes[node.id] for node in nodes if node.id in shapes})


def _list_state(state: str) -> None:
    go(**{VIEW: LIST, STATE: state, STACK: None})


def _go_back() -> None:
    address.change(**without_task(**dict.fromkeys((WORKFLOW, VIEW, FIND, STATE, STACK))))
