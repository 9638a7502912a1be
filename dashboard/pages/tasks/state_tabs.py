"""Lists the tabs of the list of tasks: their names, and the states of each."""

from __future__ import annotations

from collections.abc import Mapping

from taskyard.core.i18n import N_
from taskyard.core.states import TERMINAL, WAITING, TaskState

TABS: Mapping[str, tuple[str, tuple[TaskState, ...]]] = {
    "all": (N_("All"), ()),
    "waiting": (N_("Waiting"), tuple(state for state in TaskState if state in WAITING)),
    "running": (N_("Running"), tuple(s for s in TaskState if s not in WAITING and s not in TERMINAL)),
    "failed": (N_("Failed"), (TaskState.FAILED,)),
    "completed": (N_("Completed"), (TaskState.COMPLETED,)),
    "cancelled": (N_("Cancelled"), (TaskState.CANCELLED,)),
}
