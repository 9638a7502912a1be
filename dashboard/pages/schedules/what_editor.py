"""Draws what a schedule submits, to be changed: a task with its input and options, or the text of a workflow."""

from __future__ import annotations

from typing import Any

import orjson
import streamlit as st

from taskyard.core.i18n import N_
from taskyard.core.schedules.what import AnyWhat, Kind, What, WorkflowWhat
from taskyard.core.states import Priority
from taskyard.core.workflows.files import read_workflow
from taskyard.core.workflows.written import written_workflow
from taskyard.dashboard.components.states import word
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.schedules import data

KINDS = {Kind.TASK.value: N_("Task"), Kind.WORKFLOW.value: N_("Workflow")}
PRIORITIES = [priority.label for priority in Priority]
INPUT_HEIGHT_PX, WORKFLOW_HEIGHT_PX = 140, 320
EXAMPLE = """\
name: nightly
tasks:
  first:
    type: diagnostic.echo
    input: {value: 1}
  second:
    type: diagnostic.echo
    input:
      value: {$ref: first, at: /value}
"""


def show_what(known: AnyWhat | None, key: str) -> dict[str, Any]:
    """Draws what is submitted; returns it, checked as far as a workflow goes.

    Raises SubmissionError, whose parts are all problems of a workflow with their lines, NotPermitted and Unavailable.
    """
    kind = st.segmented_control(
        _("Submits"),
        list(KINDS),
        required=True,
        default=Kind.TASK.value if known is None else known.kind.value,
        format_func=lambda value: _(KINDS[value]),
        key=f"schedule_kind_{key}",
    )
    if kind == Kind.WORKFLOW:
        return _workflow(known if isinstance(known, WorkflowWhat) else None, key)
    return _task(known if isinstance(known, What) else None, key)


def _workflow(known: WorkflowWhat | None, key: str) -> dict[str, Any]:
    text = st.text_area(
        _("Its workflow, as YAML or JSON"),
        EXAMPLE if known is None else written_workflow(known.as_json()),
        height=WORKFLOW_HEIGHT_PX,
        key=f"schedule_workflow_{key}",
        help=_("As `taskyard workflow submit` reads it: name, title and tasks by key."),
    )
    return data.checked_workflow(read_workflow(text or ""))


def _task(known: What | None, key: str) -> dict[str, Any]:
    types = data.type_names()
    index = types.index(known.type) if known is not None and known.type in types else None
    type_ = st.selectbox(_("Task type"), types, index=index, accept_new_options=True, key=f"schedule_type_{key}")
    text = st.text_area(
        _("Input of its tasks, as JSON"),
        "{}" if known is None else orjson.dumps(known.input, option=orjson.OPT_INDENT_2).decode(),
        height=INPUT_HEIGHT_PX,
        key=f"schedule_input_{key}",
    )
    options = {} if known is None else dict(known.options)
    with st.container(horizontal=True):
        queue = st.text_input(_("Queue"), str(options.get("queue", "default")), key=f"schedule_queue_{key}")
        priority = st.selectbox(
            _("Priority"),
            PRIORITIES,
            index=PRIORITIES.index(options.get("priority", Priority.MEDIUM.label)),
            format_func=word,
            key=f"schedule_priority_{key}",
        )
    options |= {"queue": queue, "priority": priority}
    return {"type": type_ or ("" if known is None else known.type), "input": data.read_input(text), "options": options}
