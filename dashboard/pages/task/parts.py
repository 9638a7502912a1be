"""Draws what a task took and gave, its log, its events and its relations, one of them at a time.

Which one is in the address. Each refreshes itself; what is typed to search the log stands outside of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.i18n import N_
from taskyard.core.states import TERMINAL
from taskyard.dashboard.components.choices import show_choice
from taskyard.dashboard.components.json_tree import show_json
from taskyard.dashboard.components.permitted import lacking, show_barred
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.task import data
from taskyard.dashboard.pages.task.events import show_events
from taskyard.dashboard.pages.task.log_viewer import show_log
from taskyard.dashboard.pages.task.made_input import show_made_input
from taskyard.dashboard.pages.task.relatives import show_relatives
from taskyard.dashboard.shell import frame

PARTS: Mapping[str, str] = {
    "input": N_("Input"),
    "output": N_("Output"),
    "logs": N_("Logs"),
    "events": N_("Events"),
    "related": N_("Related tasks"),
}
PAYLOADS = ("input", "output", "logs")  # these need a permission of their own


def show_parts(task_id: str, attempts: Sequence[int], every_seconds: float) -> None:
    """Shows the part that is asked for, and the way to the others."""
    part = show_choice(_("Part"), PARTS, "part", "input")
    hidden = lacking(Permission.PAYLOAD_READ) if part in PAYLOADS else ""
    with st.container(key="task_part"):
        if hidden:
            show_barred(hidden)
        elif part == "logs":
            show_log(task_id, attempts, every_seconds)
        else:
            show = SHOWN[part]
            frame.live(
                f"task_{part}",
                lambda: data.details(task_id),
                lambda details: None if details is None else show(details),
                about=task_id,
                every_seconds=every_seconds,
                shows_update_time=False,
            )


def _show_input(details: data.Details) -> None:
    task, payload = details.task, _payload(details)
    if payload is None:
        return
    made = data.made_input(task.id, task.state.value).value
    if made is None:
        show_json(payload.input, name="input", file_name=f"{task.id}-input.json")
    else:
        show_made_input(task, payload.input, made)


def _show_output(details: data.Details) -> None:
    task, payload = details.task, _payload(details)
    if payload is not None and payload.output is not None:
        show_json(payload.output, name="output", file_name=f"{task.id}-output.json")
    else:
        st.caption(_("No output.") if task.state in TERMINAL else _("No output yet."))
    if payload is not None and payload.checkpoint is not None:
        st.markdown(f"**{_('Last checkpoint')}**")
        show_json(payload.checkpoint, name="checkpoint", file_name=f"{task.id}-checkpoint.json")


def _show_related(details: data.Details) -> None:
    found = data.relatives(details.task.id).value
    if found is not None:
        show_relatives(found)


def _payload(details: data.Details) -> data.Payload | None:
    task = details.task
    return data.payload(task.id, task.attempt, task.state.value).value


SHOWN: Mapping[str, Callable[[data.Details], None]] = {
    "input": _show_input,
    "output": _show_output,
    "events": lambda details: show_events(details.events),
    "related": _show_related,
}
