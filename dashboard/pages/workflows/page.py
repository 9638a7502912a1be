"""Draws the Workflows page: a list, or one workflow with its graph."""

import streamlit as st

from taskyard.core.ids import parsed_id
from taskyard.dashboard.components.dialogs import tell
from taskyard.dashboard.components.markdown_escape import escaped, one_line
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.task.panel import show_panel
from taskyard.dashboard.pages.workflows import actions, data
from taskyard.dashboard.pages.workflows.detail import show_way_back, workflow_page
from taskyard.dashboard.pages.workflows.listing import WORKFLOW, asked, show_page
from taskyard.dashboard.shell import frame


def list_page() -> None:
    """Draws the list of workflows."""
    frame.header(_("Workflows"))
    asked_for = asked()
    frame.live(
        "workflows",
        lambda: data.page(asked_for),
        lambda page: show_page(page, asked_for),
        about=asked_for,
        every_seconds=None if asked_for.before else frame.REFRESH_SECONDS,
        height_px=500,
    )


def show_unknown(given: str) -> None:
    """Shows that a text is no id of a workflow."""
    show_way_back()
    frame.header(_("Workflow"))
    st.info(_("“{text}” is not a valid workflow ID").format(text=escaped(given)), icon=":material/search_off:")


tell()
actions.open_requested()
chosen = one_line(st.query_params.get(WORKFLOW, "")).strip()
workflow_id = parsed_id(chosen)
if not chosen:
    list_page()
elif workflow_id is None:
    show_unknown(chosen)
else:
    workflow_page(workflow_id)
show_panel()
