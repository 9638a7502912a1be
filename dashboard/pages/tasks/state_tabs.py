"""Lists the tabs of the list of tasks: their names, and what each shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.i18n import N_
from taskyard.core.states import CLAIMED, WAITING, TaskState


@dataclass(frozen=True, slots=True)
class Tab:
    """Shows the tasks in some states (empty: all), with `ended_since` only those that ended since then."""

    label: str
    states: tuple[TaskState, ...] = ()
    ended_since: str | None = None

    def is_of(self, only: TaskFilter) -> bool:
        """Returns True if a filter asks for just this, besides its other fields."""
        return set(only.states) == set(self.states) and (
            self.ended_since is None or only.ended_since == self.ended_since
        )


TABS: Mapping[str, Tab] = {
    "all": Tab(N_("All")),
    "waiting": Tab(N_("Waiting"), tuple(state for state in TaskState if state in WAITING)),
    "running": Tab(N_("Running"), tuple(state for state in TaskState if state in CLAIMED)),
    "suspended": Tab(N_("Suspended"), (TaskState.SUSPENDED,)),
    "failed": Tab(N_("Failed"), (TaskState.FAILED,)),
    "failed_1h": Tab(N_("Failed, 1 h"), (TaskState.FAILED,), "1h"),
    "completed": Tab(N_("Completed"), (TaskState.COMPLETED,)),
    "cancelled": Tab(N_("Cancelled"), (TaskState.CANCELLED,)),
}


def picked(name: str, only: TaskFilter) -> TaskFilter:
    """Returns the filter that a tab leads to: another tab's time is left behind, the viewer's own stays."""
    is_left = TABS["failed_1h"].is_of(only)
    ended_since = TABS[name].ended_since or (None if is_left else only.ended_since)
    return replace(only, states=TABS[name].states, ended_since=ended_since)


def tab_of(only: TaskFilter) -> str:
    """Returns the name of the tab that a filter is of, the narrowest; empty if it is of none."""
    fitting = [name for name, tab in TABS.items() if tab.is_of(only)]
    return max(fitting, key=lambda name: TABS[name].ended_since is not None, default="")
