"""Draws an input that is made of other tasks' outputs: what it refers to, its template, and what came of it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from taskyard.core.i18n import N_
from taskyard.core.models import Task
from taskyard.core.views.made_inputs import MadeInput
from taskyard.dashboard.components.choices import show_choice
from taskyard.dashboard.components.json_tree import show_json
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.task_links import task_button
from taskyard.dashboard.i18n import _
from taskyard.dashboard.navigation import WORKFLOWS

SHOWN = 20
MADE, TEMPLATE = "made", "template"
FORMS = {MADE: N_("With the outputs"), TEMPLATE: N_("As it was submitted")}


def show_made_input(task: Task, given: Any, made: MadeInput) -> None:
    """Shows the references with links to the tasks that they name, and the input with or without them."""
    st.markdown(f"**{_('Made of the outputs of other tasks')}**")
    for source in made.sources[:SHOWN]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.code(f"{source.place} ← {source.reference}", language=None, width="content")
            if source.task_id is not None:
                task_button(
                    source.task_id,
                    escaped(source.reference.key),
                    key=f"source_{source.place}",
                    icon=":material/north_west:",
                )
            elif source.reference.is_group and task.workflow_id:
                st.page_link(
                    WORKFLOWS.path,
                    label=escaped(source.reference.key),
                    icon=":material/account_tree:",
                    query_params={"workflow": task.workflow_id, "view": "tasks", "find": f"{source.reference.key}/"},
                )
    if len(made.sources) > SHOWN:
        count = len(made.sources) - SHOWN
        st.caption(_("and {count} more").format(count=count))
    form = TEMPLATE
    if made.is_made:
        form = show_choice(_("Input"), FORMS, "made", MADE)
    else:
        st.caption(_("The outputs are put in once all of these have completed."))
    value = given if form == MADE else made.template
    show_json(value, name=form, file_name=f"{task.id}-{'input' if form == MADE else 'template'}.json")
