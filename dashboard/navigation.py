"""Lists every page of the dashboard: its address, title and keyboard shortcut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import NotPermitted
from taskyard.core.filters import audit_page, search_filter
from taskyard.core.i18n import N_
from taskyard.core.paths import FILES
from taskyard.dashboard.i18n import _

PAGES = FILES / "dashboard" / "pages"
# Where somebody is in a task, on its page or in a panel; and the task in the panel of another page.
IN_A_TASK = ("part", "made", "log_text", "log_attempt", "log_kinds", "log_before", "log_at")
PANEL_TASK = "task"
PANEL = (PANEL_TASK, *IN_A_TASK)
CLOSE = ("Esc", N_("Close the task"))


@dataclass(frozen=True, slots=True)
class View:
    """A page. `title` and `help` are in English; `key` is its keyboard shortcut.

    It is for those who have the permission `needs`, with `is_whole` for all queues and types; for others it is empty.

    `shortcuts` are the page's own: (keys, their effect in English); `parameters` are those of its address.
    """

    name: str
    title: str
    icon: str
    help: str
    key: str = ""
    is_hidden: bool = False
    needs: Permission = Permission.TASK_READ
    is_whole: bool = False
    shortcuts: tuple[tuple[str, str], ...] = ()
    parameters: tuple[str, ...] = ()

    def page(self, who: Actor) -> Any:
        """Returns the page for `st.navigation`, in the viewer's language; what they may not open is not listed."""
        return st.Page(
            self.path,
            title=_(self.title),
            icon=f":material/{self.icon}:",
            url_path=self.name,
            default=self.name == "overview",
            visibility="hidden" if self.is_hidden or self.lack_of(who) else "visible",
            help=_(self.help),
        )

    def lack_of(self, who: Actor) -> NotPermitted | None:
        """Returns why somebody may not open the page; None if they may."""
        every = EVERY if self.is_whole else None
        try:
            who.require(self.needs, queue=every, type_=every)
        except NotPermitted as error:
            return error
        return None

    @property
    def path(self) -> Path:
        """Returns the path for `st.switch_page` and `st.page_link`."""
        return PAGES / self.name / "page.py"


OVERVIEW = View(
    "overview",
    N_("Overview"),
    "monitoring",
    N_("Current state and recent history"),
    "1",
    parameters=("range",),
)
TASKS = View(
    "tasks",
    N_("Tasks"),
    "list",
    N_("Search tasks, and act on a selection or on all matches"),
    "2",
    shortcuts=(
        ("/", N_("Search")),
        ("j", N_("Next task")),
        ("k", N_("Previous task")),
        ("Enter", N_("Open the task")),
        CLOSE,
        ("x", N_("Select the task")),
        ("r", N_("Retry what is selected")),
        ("c", N_("Cancel what is selected")),
    ),
    parameters=(*search_filter.PARAMS, "sort", "after", "columns", *PANEL),
)
TASK = View(
    "task",
    N_("Task"),
    "description",
    N_("One task and its whole history"),
    is_hidden=True,
    parameters=("id", *IN_A_TASK),
)
WORKFLOWS = View(
    "workflows",
    N_("Workflows"),
    "account_tree",
    N_("Tasks that were submitted together: progress, graph, and the end to expect"),
    "f",
    shortcuts=(
        ("/", N_("Search")),
        ("j", N_("Next row")),
        ("k", N_("Previous row")),
        ("Enter", N_("Open the row")),
        ("+", N_("Zoom in")),
        ("-", N_("Zoom out")),
        ("=", N_("Show the whole graph")),
        CLOSE,
    ),
    parameters=("text", "name", "show", "before", "workflow", "view", "find", "state", "stack", *PANEL),
)
SUBMIT = View(
    "submit",
    N_("Submit"),
    "add_task",
    N_("Submit one task with a form, or many from a file"),
    "3",
    needs=Permission.TASK_SUBMIT,
    shortcuts=(("Ctrl+Enter", N_("Submit")), CLOSE),
    parameters=("type", "copy", *PANEL),
)
SCHEDULES = View(
    "schedules",
    N_("Schedules"),
    "event_repeat",
    N_("What is submitted again and again: next fire times, last outcomes"),
    "s",
    shortcuts=(("Shift+N", N_("New schedule")), CLOSE),
    parameters=("schedule", "find", *PANEL),
)
INBOX = View(
    "inbox",
    N_("Inbox"),
    "inbox",
    N_("Answer what tasks ask people"),
    "i",
    shortcuts=(("Ctrl+Enter", N_("Approve")), CLOSE),
    parameters=("show", "question", *PANEL),
)
QUEUES = View(
    "queues",
    N_("Queues"),
    "low_priority",
    N_("Backlog and time to drain of each queue; pause a queue"),
    "4",
    parameters=("queue", "view", "sort", "state", "find", "range"),
)
AGENTS = View(
    "agents",
    N_("Agents"),
    "smart_toy",
    N_("Load and success of each agent; pause, drain or restart"),
    "5",
    shortcuts=(CLOSE,),
    parameters=("agent", "view", "sort", "state", "type", "find", "range", "minutes", *PANEL),
)
FAILURES = View(
    "failures",
    N_("Failures"),
    "error",
    N_("Failures grouped by cause"),
    "6",
    shortcuts=(CLOSE,),
    parameters=("group", "range", "type", "class", "text", "sort", "muted", *PANEL),
)
ALERTS = View(
    "alerts",
    N_("Alerts"),
    "notifications",
    N_("Firing and past alerts, silences and rules"),
    "7",
    shortcuts=(("Shift+N", N_("New silence")),),
    parameters=("show", "rule", "alert"),
)
LEARNING = View(
    "learning",
    N_("Learning"),
    "model_training",
    N_("How well run times are predicted, and how tasks are ordered by that"),
    "l",
    shortcuts=(CLOSE,),
    parameters=("show", "range", "types", "compared", "queue", "span", "policy", *PANEL),
)
WEBHOOKS = View(
    "webhooks",
    N_("Webhooks"),
    "webhook",
    N_("Tell others of tasks' ends, and let them submit tasks"),
    "w",
    shortcuts=(("Shift+N", N_("New webhook or hook")), CLOSE),
    needs=Permission.AUDIT_EXPORT,
    is_whole=True,
    parameters=("show", "webhook", "state", *PANEL),
)
AUDIT = View(
    "audit",
    N_("Audit"),
    "history",
    N_("All changes: who, what and when"),
    "8",
    needs=Permission.AUDIT_EXPORT,
    is_whole=True,
    shortcuts=(("Shift+E", N_("Export CSV")), CLOSE),
    parameters=(*audit_page.PARAMS, "before", *PANEL),
)
REPORTS = View(
    "reports",
    N_("Reports"),
    "summarize",
    N_("Performance reports to view and download"),
    "9",
    parameters=("part", "period", "since", "until", "queue", "type"),
)
SYSTEM = View(
    "system",
    N_("System"),
    "dns",
    N_("Servers, leadership, sizes, settings and the worker's log"),
    "0",
    parameters=("part", "range", "level", "text", "changed"),
)
ACCESS = View(
    "access",
    N_("Access"),
    "admin_panel_settings",
    N_("People, services and agents: roles, tokens and sessions"),
    "a",
    needs=Permission.ACCESS_MANAGE,
    is_whole=True,
    parameters=("part",),
)

SECTIONS: Mapping[str, tuple[View, ...]] = {
    N_("Operate"): (OVERVIEW, TASKS, TASK, WORKFLOWS, SUBMIT, INBOX, SCHEDULES, QUEUES),
    N_("Monitor"): (AGENTS, FAILURES, ALERTS, LEARNING, WEBHOOKS),
    N_("History"): (AUDIT, REPORTS, SYSTEM),
    N_("Administration"): (ACCESS,),
}
VIEWS_BY_NAME = {view.name: view for views in SECTIONS.values() for view in views}
