"""Lists workflows: as a table, on a phone as cards; a click opens one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from taskyard.core.humanize import floored, number, percent_done
from taskyard.core.workflows.states import RAN_STATES, WorkflowState
from taskyard.dashboard.components import address, device
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.list_controls import FIND_WIDTH_PX
from taskyard.dashboard.components.markdown_escape import escaped, one_line
from taskyard.dashboard.components.states import WORKFLOW_COLORS, badge_column, word
from taskyard.dashboard.components.tables import show_table, value_column
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import go
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.data import base
from taskyard.dashboard.i18n import _, enumerated
from taskyard.dashboard.pages.workflows.data import Asked, SeenWorkflow, WorkflowPage
from taskyard.dashboard.pages.workflows.shapes import FOREMOST

TEXT, NAME, SHOW, BEFORE, WORKFLOW = "text", "name", "show", "before", "workflow"  # in the address
CLICK_KEY = "clicked_workflow"
MAX_NAME = 90
ROW_HEIGHT_PX = 24
FIRST = """\
from taskyard import ref, ref_all, submit_workflow, task

submit_workflow("echoes", {
    "first": task("diagnostic.echo", {"value": 1}),
    "copies": [task("diagnostic.echo", {"value": ref("first", "value")}) for _ in range(20)],
    "all": task("diagnostic.echo", {"value": ref_all("copies")}),
})
"""


def asked() -> Asked:
    """Shows the filters; returns what is asked for."""
    states = [state.value for state in WorkflowState]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="workflow_filters"):
        text = st.text_input(
            _("Search"),
            placeholder=_("Name, title or id"),
            label_visibility="collapsed",
            width=FIND_WIDTH_PX,
            **_from_the_top(address.text_field(TEXT)),
        )
        picked = st.pills(
            _("State"),
            states,
            selection_mode="multi",
            format_func=word,
            label_visibility="collapsed",
            **_from_the_top(address.choices(SHOW)),
        )
        name = st.query_params.get(NAME, "")
        if name:
            st.button(
                _("Only {name}").format(name=escaped(name, MAX_NAME)),
                icon=":material/close:",
                key="workflow_name",
                type="tertiary",
                on_click=lambda: address.change(**{NAME: None, BEFORE: None}),
            )
    chosen = tuple(state for state in WorkflowState if state in (picked or ()))
    return Asked((text or "").strip(), name, chosen, st.query_params.get(BEFORE, ""))


def show_page(page: WorkflowPage, asked_for: Asked) -> None:
    """Shows a page of workflows, and the way to the others."""
    if not page.workflows:
        show_none(asked_for)
    elif device.is_narrow():
        _show_cards(page.workflows)
    else:
        with st.container(key="workflows_table"):  # by which the keyboard finds it
            _show_table(page.workflows)
    if page.next or asked_for.before:
        with st.container(horizontal=True, gap="small", horizontal_alignment="right"):
            for label, icon, place, is_there in (
                (_("First page"), "first_page", None, bool(asked_for.before)),
                (_("Next page"), "chevron_right", page.next, page.next is not None),
            ):
                st.button(
                    " ",
                    icon=f":material/{icon}:",
                    key=f"workflows_{icon}",
                    type="tertiary",
                    help=label,
                    disabled=not is_there,
                    on_click=go,
                    kwargs={BEFORE: place},
                )


def show_none(asked_for: Asked) -> None:
    """Shows that there is no workflow, and how to submit one, or that none matches."""
    if not asked_for.is_empty:
        show_nothing(_("No workflow matches."), "search_off")
        return
    with st.container(border=True, key="empty"):
        st.subheader(_("There are no workflows yet"))
        st.markdown(
            _(
                "A workflow is tasks that belong together: they start after each other, and take each other's results. "
                "Submit one from Python, or from a file with `taskyard workflow submit FILE`."
            )
        )
        st.code(FIRST, wrap_lines=True)


def counts_in_words(counts: Mapping[str, int]) -> str:
    """Returns the number of tasks by state, what needs attention first."""
    return enumerated(f"{number(counts[state])} {word(state)}" for state in FOREMOST if counts.get(state))


def ran_of(workflow: SeenWorkflow) -> int:
    """Returns how many of its tasks ran to an end: cancelled ones are not done."""
    return sum(workflow.counts.get(state, 0) for state in RAN_STATES)


def open_workflow(workflow_id: str) -> None:
    """Opens a workflow; for callbacks."""
    go(**{WORKFLOW: workflow_id})


def _from_the_top(widget: dict[str, Any]) -> dict[str, Any]:
    """Returns arguments of a filter whose change leads to the first page."""
    write = widget["on_change"]

    def changed() -> None:
        st.query_params.pop(BEFORE, None)
        write()

    return {**widget, "on_change": changed}


def _show_table(found: Sequence[SeenWorkflow]) -> None:
    now = base.now()
    rows = [
        {
            "State": [word(one.state)],
            "Name": one_line(one.name),
            "Title": one_line(one.title or ""),
            "Progress": floored(one.progress),
            "Tasks": one.tasks,
            "Counts": counts_in_words(one.counts),
            "Age": max(0.0, (now - one.created_at).total_seconds()),
            "Took": one.duration_seconds,
            "By": one_line(one.created_by),
            "Id": shortened_id(one.id),
        }
        for one in found
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("Workflows, newest first"),
        columns={
            "State": badge_column(_("State"), WORKFLOW_COLORS, width=96),
            "Name": st.column_config.TextColumn(_("Name"), width=140),
            "Title": st.column_config.TextColumn(_("Title"), width=190),
            "Progress": st.column_config.ProgressColumn(
                _("Progress"), format="percent", min_value=0, max_value=1, width=110, help=_("By predicted run times")
            ),
            "Tasks": value_column(_("Tasks"), width=64),
            "Counts": st.column_config.TextColumn(_("Tasks by state"), width=205),
            "Age": value_column(_("Age"), width=70, help=_("Since it was submitted")),
            "Took": value_column(_("Duration"), width=90, help=_("Until its end, or until now")),
            "By": st.column_config.TextColumn(_("Submitted by"), width=110),
            "Id": st.column_config.ButtonColumn(
                _("Workflow"),
                key=CLICK_KEY,
                on_click=_open_clicked,
                args=({shortened_id(one.id): one.id for one in found},),
                type="tertiary",
                alignment="left",
                width=112,
                help=_("End of the id; opens the workflow"),
            ),
        },
        words={"Tasks": number, "Age": partial(duration, is_short=True), "Took": duration},
        key="workflows_rows",
        height="content",
        row_height=ROW_HEIGHT_PX,
    )


def _open_clicked(ids: Mapping[str, str]) -> None:
    click = st.session_state[CLICK_KEY]
    workflow_id = ids.get(click["label"]) if click else None
    if workflow_id is not None:
        open_workflow(workflow_id)


def _show_cards(found: Sequence[SeenWorkflow]) -> None:
    with st.container(gap="xsmall", key="task_cards"):
        for one in found:
            st.button(_card(one), key=f"workflow_{one.id}", width="stretch", on_click=open_workflow, args=(one.id,))


def _card(one: SeenWorkflow) -> str:
    """Returns what a card says, as Markdown."""
    name = escaped(one.title or one.name, MAX_NAME)
    head = f":{WORKFLOW_COLORS[one.state]}-badge[{escaped(word(one.state))}] **{name}**"
    counts = escaped(counts_in_words(one.counts), MAX_NAME)
    return f"{head} — {percent_done(one.progress)} · {counts} · {duration(one.duration_seconds, is_short=True)}"
