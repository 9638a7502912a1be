"""Draws error groups: the table of all, and the details of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.models import Task
from taskyard.dashboard.components import states
from taskyard.dashboard.components.charts import Line, bar_chart, time_chart
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import one_line
from taskyard.dashboard.components.states import ERROR_COLORS, word
from taskyard.dashboard.components.tables import show_table, table_height
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import task_button, task_column
from taskyard.dashboard.components.times import time_column
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.failures.data import MAX_FAILED, OneGroup, ShownGroup, counts_groups

OPEN_KEY = "failures_open"
EXAMPLE_KEY, LATEST_KEY = "failures_example_open", "failures_latest_open"
MAX_MESSAGE_LENGTH = 200
CHART_WIDTH_PX = 420
CARD_WIDTH_PX = 150


def show_groups(groups: Sequence[ShownGroup], open_group: Callable[[str], None]) -> None:
    """Shows a row for each group, with a button that passes its fingerprint to `open_group`."""
    fingerprints = [shown.group.fingerprint for shown in groups]

    def clicked() -> None:
        click = st.session_state[OPEN_KEY]
        if click is not None and click["row"] < len(fingerprints):
            open_group(fingerprints[click["row"]])

    show_table(
        pd.DataFrame([_row(shown) for shown in groups]),
        alt=_("Error groups"),
        columns={
            "open": st.column_config.ButtonColumn(" ", key=OPEN_KEY, on_click=clicked, type="tertiary", pinned=True),
            "message": st.column_config.TextColumn(_("Message"), width=240),
            "class": st.column_config.MultiselectColumn(
                _("Class"),
                options=[*map(word, ERROR_COLORS), _("new"), _("muted")],
                color=[*ERROR_COLORS.values(), "blue", "gray"],
                width=150,
            ),
            "type": st.column_config.TextColumn(_("Type"), width=120),
            "attempts": st.column_config.NumberColumn(
                _("Attempts"), format="localized", help=_("Failed attempts in this time range")
            ),
            "tasks": st.column_config.NumberColumn(
                _("Tasks"), format="localized", help=_("Tasks that failed for good in this time range")
            ),
            "failed_now": st.column_config.NumberColumn(
                _("Still failed"), format="localized", help=_("Tasks still failed with this error")
            ),
            "trend": st.column_config.BarChartColumn(_("Trend"), y_min=0, width=100, color="red"),
            "last_seen": time_column(_("Last seen")),
            "first_seen": time_column(_("First seen")),
            "agents": st.column_config.TextColumn(_("Agents"), width=140),
            "example": task_column(
                [shown.group.example_task_id for shown in groups], key=EXAMPLE_KEY, label=_("Example")
            ),
        },
        key="failures_groups",
        height=table_height(len(groups)),
    )


def _row(shown: ShownGroup) -> dict[str, Any]:
    group = shown.group
    marks = [_("muted")] if group.muted_until else [_("new")] if shown.is_new else []
    counts: dict[str, Any] = {
        "attempts": group.attempts,
        "tasks": group.tasks,
        "failed_now": shown.failed_now,
        "trend": list(shown.trend),
        "agents": agents_in_words(group.agents),
        "example": shortened_id(group.example_task_id),
    }
    return {
        "open": ":material/open_in_full:",
        "message": one_line(group.message, MAX_MESSAGE_LENGTH),
        "class": [word(group.error_class), *marks],
        "type": group.type,
        "last_seen": group.last_seen,
        "first_seen": group.first_seen,
        **(counts if counts_groups() else {}),  # these are of all queues
    }


def agents_in_words(agents: Mapping[str, int]) -> str:
    """Lists the agents by number of failures; an attempt that no agent had has none."""
    named = {name: count for name, count in agents.items() if name}
    return ", ".join(f"{name} ({number(count)})" for name, count in sorted(named.items(), key=lambda item: -item[1]))


def failed_in_words(count: int) -> str:
    """Describes how many tasks are still failed, as far as that was counted."""
    return number(min(count, MAX_FAILED), is_exact=count < MAX_FAILED)


def show_figures(one: OneGroup) -> None:
    """Shows the figures of one group in the range."""
    group = one.group
    cards = [
        (_("Failed attempts"), number(group.attempts) if group else "0", _("In this time range")),
        (_("Failed tasks"), number(group.tasks) if group else "0", _("Tasks that failed for good in this time range")),
        (_("Still failed"), failed_in_words(one.failed_now), _("Tasks that a retry would restart")),
        (_("Agents"), number(len([name for name in group.agents if name])) if group else "0", _("Affected agents")),
    ]
    with st.grid(4, min_column_width=CARD_WIDTH_PX):
        for label, value, help_ in cards:
            st.metric(label, value, border=True, help=help_)


def show_charts(one: OneGroup) -> None:
    """Shows the failures over time, and by agent."""
    with st.grid(2, min_column_width=CHART_WIDTH_PX):
        line = Line(_("failed attempts"), "red", [float(count) for count in one.counts])
        time_chart(_("Failed attempts"), one.at, [line], key="failure_trend", unit=_("attempts"), height_px=220)
        agents = sorted(one.group.agents.items(), key=lambda item: -item[1]) if one.group else []
        bar_chart(
            _("Agents"),
            [name or _("no agent") for name, _count in agents],
            [Line(_("failed attempts"), "red", [count for _name, count in agents])],
            key="failure_agents",
            unit=_("attempts"),
            height_px=220,
        )


def show_example(one: OneGroup) -> None:
    """Shows the full message, and the example's traceback."""
    group, example = one.group, one.example
    if group is None:
        return
    error = (example.error if example else None) or {}
    is_same = error.get("fingerprint") == group.fingerprint
    message = str(error.get("message") or group.message) if is_same else group.message
    st.subheader(_("Message"))
    st.code(message or _("(empty)"), language=None, wrap_lines=True)
    traceback = str(error.get("traceback") or "") if is_same else ""
    st.subheader(_("Traceback of an example"))
    with st.container(horizontal=True, vertical_alignment="center"):
        task_button(group.example_task_id, _("Open the task"), key="open_example", icon=":material/arrow_forward:")
    if traceback:
        st.code(traceback, language=None, wrap_lines=True, height=260 if traceback.count("\n") > 12 else "content")
    elif example is None:
        st.caption(_("That task has been deleted: ended tasks are kept for a limited time."))
    elif not is_same:
        st.caption(_("That task has been retried since; its page has its history."))
    else:
        st.caption(_("The attempt ended without a traceback."))


def show_latest(tasks: Sequence[Task]) -> None:
    """Shows the newest tasks with this failure."""
    st.subheader(_("Latest tasks"))
    if not tasks:
        show_nothing(_("No task has this error any more: all were retried or deleted."), "task_alt")
        return
    rows = [
        {
            "task": shortened_id(task.id),
            "state": [word(task.state)],
            "title": one_line(task.title or "", MAX_MESSAGE_LENGTH),
            "submitted": task.created_at,
            "ended": task.finished_at,
            "attempt": task.attempt,
            "agent": (task.assigned_agent_id or "").rpartition(":")[0],
            "message": one_line(str((task.error or {}).get("message", "")), MAX_MESSAGE_LENGTH),
        }
        for task in tasks
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("Latest tasks"),
        columns={
            "task": task_column([task.id for task in tasks], key=LATEST_KEY, pinned=True),
            "state": states.badge_column(_("State"), states.STATE_COLORS),
            "title": _("Title"),
            "submitted": time_column(_("Submitted at")),
            "ended": time_column(_("Ended")),
            "attempt": _("Attempt"),
            "agent": _("Agent"),
            "message": st.column_config.TextColumn(_("Message"), width=300),
        },
        key="failures_latest",
        height="content",
    )
    text = ngettext("{count} task", "{count} tasks", len(tasks)).format(count=len(tasks))
    st.caption(_("{tasks}, newest first").format(tasks=text))


def show_mute(one: OneGroup) -> None:
    """Shows that it is muted, until when, by whom and why."""
    if one.group is None or one.group.muted_until is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.badge(_("muted"), icon=":material/volume_off:", color="gray")
        st.text(
            _("until {time} by {actor}: {reason}").format(
                time=shown_time(one.group.muted_until), actor=one.group.muted_by, reason=one.group.mute_reason
            )
        )
