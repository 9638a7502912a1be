"""Lists the tasks of a workflow, or of one stack of its graph: as a table, on a phone as cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from taskyard.core.humanize import number, percent
from taskyard.core.postgres.store.workflows import GraphNode, SubmittedWorkflow
from taskyard.core.states import TaskState
from taskyard.dashboard.components import address, device
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import escaped, one_line
from taskyard.dashboard.components.paging import ROWS, page_of
from taskyard.dashboard.components.states import STATE_COLORS, STATES, badge_column, word
from taskyard.dashboard.components.tables import show_table, value_column
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import go, open_task, task_column, without_task
from taskyard.dashboard.components.times import duration, time_column
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.workflows.data import Detail, Now
from taskyard.dashboard.pages.workflows.listing import WORKFLOW
from taskyard.dashboard.pages.workflows.shapes import name_of

STACK, STATE = "stack", "state"
WORKFLOW_CLICK_KEY = "clicked_submitted_workflow"
SUBMITTED_SHOWN = 3
CARDS = 30
MAX_NAME = 90
ROW_HEIGHT_PX = 24


def pick_state(counts: Mapping[str, int]) -> str | None:
    """Lets the viewer pick a state of tasks; `counts` has how many there are, by state."""

    def shown(state: str) -> str:
        return f"{word(state)} ({number(counts[state])})" if state in counts else word(state)

    state: str | None = st.selectbox(
        _("State"),
        STATES,
        index=None,
        placeholder=_("Any state"),
        format_func=shown,
        label_visibility="collapsed",
        width=200,
        **address.choice(STATE, STATES),
    )
    return state


def show_members(detail: Detail, text: str, state: str | None) -> None:
    """Shows the tasks whose key, title or type contains a text and that are in a state (None: in any)."""
    now = detail.now
    stack = st.query_params.get(STACK, "")
    shape = next((shape for shape in detail.drawing.shapes if stack and stack in shape.tasks), None)
    nodes = list(now.nodes.values()) if shape is None else [now.nodes[id_] for id_ in shape.tasks if id_ in now.nodes]
    if shape is not None:
        label = _("Only {name}: {count} tasks").format(name=escaped(name_of(shape, MAX_NAME)), count=number(len(nodes)))
        st.button(label, icon=":material/close:", key="workflow_stack", type="tertiary", on_click=_leave_stack)
    fitting = [node for node in nodes if state in (None, node.state) and fits(node, text)]
    if not fitting:
        show_nothing(_("No task matches."), "search_off")
    elif device.is_narrow():
        _show_cards(page_of(fitting, CARDS, key="workflow_cards_page"), now)
    else:
        shown = page_of(fitting, ROWS, key="workflow_rows_page")
        with st.container(key="tasks_of_workflow"):  # by which the keyboard finds it
            _show_table(shown, now)


def fits(node: GraphNode, text: str) -> bool:
    """Returns True if a task's key, title, type or id contains a text."""
    low = text.strip().lower()
    return not low or any(low in (one or "").lower() for one in (node.key, node.title, node.type, node.id))


def _leave_stack() -> None:
    go(**{STACK: None})


def _show_table(nodes: Sequence[GraphNode], now: Now) -> None:
    rows = [
        {
            "State": [word(node.state)],
            "Key": node.key,
            "Title": _title(node),
            "Progress": node.progress if node.state is TaskState.IN_PROGRESS else None,
            "Set for": node.run_at if node.started_at is None else None,
            "Started": node.started_at,
            "Ended": node.finished_at,
            "Run time": _run_seconds(node, now.at),
            "Attempts": node.attempt,
            "Children": sum(now.children.get(node.id, {}).values()) or None,
            "Workflows": _label_of(now.submitted.get(node.id, ())),
            "Task": shortened_id(node.id),
        }
        for node in nodes
    ]
    submitted = {_label_of(found): found[0].id for node in nodes if (found := now.submitted.get(node.id))}
    frame = pd.DataFrame(rows)
    show_table(
        frame.astype({"Progress": "float64", "Run time": "float64", "Children": "float64"}),
        alt=_("Tasks of the workflow"),
        columns={
            "State": badge_column(_("State"), STATE_COLORS, width=96),
            "Key": st.column_config.TextColumn(_("Key"), width=150),
            "Title": st.column_config.TextColumn(_("Title"), width=190),
            "Progress": st.column_config.ProgressColumn(
                _("Progress"), format="percent", min_value=0, max_value=1, width=85
            ),
            "Set for": time_column(_("Set for")) if any(node.run_at for node in nodes) else None,
            "Started": time_column(_("Started"), is_exact=True),
            "Ended": time_column(_("Ended"), is_exact=True),
            "Run time": value_column(_("Run time"), width=90),
            "Attempts": value_column(_("Attempts"), width=70),
            "Children": value_column(_("Children"), width=80, help=_("Tasks that its handler submitted"))
            if any(now.children.get(node.id) for node in nodes)
            else None,
            "Workflows": _workflow_column(submitted) if submitted else None,
            "Task": task_column([node.id for node in nodes], key="workflow_task"),
        },
        words={"Run time": duration, "Attempts": number, "Children": number},
        key="workflow_rows",
        height="content",
        row_height=ROW_HEIGHT_PX,
    )


def _show_cards(nodes: Sequence[GraphNode], now: Now) -> None:
    with st.container(gap="xsmall", key="task_cards"):
        for node in nodes:
            st.button(_card(node, now), key=f"card_{node.id}", width="stretch", on_click=open_task, args=(node.id,))
            _show_submitted(now.submitted.get(node.id, ()))


def _label_of(submitted: Sequence[SubmittedWorkflow]) -> str | None:
    """Returns what a cell says of the workflows that a handler submitted: the end of the first one's id."""
    if not submitted:
        return None
    return shortened_id(submitted[0].id) + (f" +{number(len(submitted) - 1)}" if len(submitted) > 1 else "")


def _workflow_column(ids: Mapping[str | None, str]) -> Any:
    return st.column_config.ButtonColumn(
        _("Workflows"),
        key=WORKFLOW_CLICK_KEY,
        on_click=_open_clicked,
        args=(ids,),
        type="tertiary",
        alignment="left",
        width=112,
        help=_("Workflows that its handler submitted; opens the first one"),
    )


def _open_clicked(ids: Mapping[str | None, str]) -> None:
    click = st.session_state[WORKFLOW_CLICK_KEY]
    if click and (workflow_id := ids.get(click["label"])) is not None:
        _open_workflow(workflow_id)


def _open_workflow(workflow_id: str) -> None:
    go(**without_task(**{WORKFLOW: workflow_id, STACK: None, STATE: None}))


def _show_submitted(submitted: Sequence[SubmittedWorkflow]) -> None:
    """Shows the workflows that a handler submitted, below its card."""
    for one in submitted[:SUBMITTED_SHOWN]:
        label, icon = escaped(one.title or one.name, MAX_NAME), ":material/account_tree:"
        key, args = f"submitted_{one.id}", (one.id,)
        st.button(label, icon=icon, key=key, type="tertiary", on_click=_open_workflow, args=args)
    if len(submitted) > SUBMITTED_SHOWN:
        st.caption(_("and {count} more").format(count=number(len(submitted) - SUBMITTED_SHOWN)))


def _card(node: GraphNode, now: Now) -> str:
    """Returns what a card says, as Markdown."""
    parts = [escaped(_title(node), MAX_NAME)]
    if node.state is TaskState.IN_PROGRESS and node.progress is not None:
        parts.append(percent(node.progress))
    if (seconds := _run_seconds(node, now.at)) is not None:
        parts.append(duration(seconds, is_short=True))
    head = f":{STATE_COLORS[node.state]}-badge[{escaped(word(node.state))}] **{escaped(node.key or '', MAX_NAME)}**"
    return f"{head} — {' · '.join(parts)}"


def _title(node: GraphNode) -> str:
    title = one_line(node.title or "")
    return f"{title} · {node.type}" if title else node.type


def _run_seconds(node: GraphNode, at: float) -> float | None:
    if node.started_at is None:
        return None
    ended = at if node.finished_at is None else node.finished_at.timestamp()
    return max(0.0, ended - node.started_at.timestamp())
