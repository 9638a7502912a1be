"""Shows a task's facts, why it waits, why it failed, and its relations."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import streamlit as st

from taskyard.core.explain_prediction import predicted_progress, prediction_of
from taskyard.core.explanation import Explanation
from taskyard.core.humanize import number, percent
from taskyard.core.models import Task
from taskyard.core.states import TERMINAL, TaskState
from taskyard.core.views.attempts import name_of
from taskyard.dashboard.components.markdown_escape import one_line
from taskyard.dashboard.components.states import PRIORITY_COLORS, show_badge, word
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, enumerated, ngettext

FACT_WIDTH_PX = 150
DUE_STATES = (TaskState.SCHEDULED, TaskState.SUSPENDED)


def show_facts(task: Task, prediction: str = "") -> None:
    """Shows the name and value of every field of its row, in a grid, and how long it is predicted to run."""
    agent = name_of(task.assigned_agent_id)
    facts = {
        _("Type"): task.type,
        _("Queue"): task.queue,
        _("Priority"): word(task.priority.label),
        _("Attempts"): _("{used} of {most}").format(used=task.attempt - task.refunded, most=task.max_attempts),
        _("Agent"): agent,
        _("Second attempt on"): name_of(task.second_agent_id),
        _("Needs tags"): ", ".join(task.requires),
        _("Timeout"): duration(task.timeout_seconds),
        _("Predicted run time"): translate(prediction),
        _("Submitted by"): task.created_by or _("unknown"),
        _("Submitted at"): shown_time(task.created_at),
        _("Scheduled for"): shown_time(task.scheduled_for) if task.scheduled_for else "",
        _("Due"): shown_time(task.run_at) if task.run_at and task.state in DUE_STATES else "",
        _("Started"): shown_time(task.started_at) if task.started_at else "",
        _("Ended"): shown_time(task.finished_at) if task.finished_at else "",
        _("Total time"): duration((task.finished_at - task.created_at).total_seconds()) if task.finished_at else "",
        _("Idempotency key"): task.idempotency_key or "",
        _("Waits for"): ngettext("{count} task", "{count} tasks", task.waiting_on).format(count=task.waiting_on)
        if task.waiting_on and task.state not in TERMINAL
        else "",
    }
    with st.container(border=True), st.grid(min_column_width=FACT_WIDTH_PX, gap="small"):
        for name, value in facts.items():
            if value:
                with st.container(gap=None):
                    st.caption(name)
                    st.text(one_line(value))


def show_badges(task: Task) -> None:
    """Shows the state and, if it is not the default, the priority."""
    show_badge(task.state)
    if task.priority.label != "medium":
        show_badge(task.priority.label, PRIORITY_COLORS)


def show_progress(task: Task, now: datetime) -> None:
    """Shows the reported progress of a running attempt, or how far it is by its predicted run time."""
    by_prediction = predicted_progress(task, now)
    if by_prediction is not None:
        with st.container(gap="xsmall"):
            st.progress(by_prediction)
            st.caption(_predicted_words(task, now))
    if task.progress is None or task.state in TERMINAL:
        return
    fraction = min(1.0, max(0.0, task.progress))
    with st.container(gap="xsmall"):
        st.progress(fraction)
        st.text(f"{percent(fraction)}  {one_line(task.progress_message or '', 500)}")


def _predicted_words(task: Task, now: datetime) -> str:
    predicted = prediction_of(task)
    assert predicted is not None
    assert task.started_at is not None
    seconds = max(0.0, (now - task.started_at).total_seconds())
    if seconds > predicted.high:
        text = _("Runs for {time}, longer than predicted: 9 of 10 take at most {high}")
        return text.format(time=duration(seconds), high=duration(predicted.high))
    text = _("Runs for {time} of a predicted {typical} (80 %: {low} to {high}); it reports no progress itself")
    return text.format(
        time=duration(seconds),
        typical=duration(predicted.typical),
        low=duration(predicted.low),
        high=duration(predicted.high),
    )


def show_why(why: Explanation) -> None:
    """Shows why it waits: a summary, then its holds and each agent's eligibility."""
    with st.container(border=True, gap="small"):
        title = _("Why can't it start?") if why.state in TERMINAL else _("Why is it waiting?")
        st.markdown(f":material/help: **{title}**")
        st.text(translate(why.summary))
        for hold in why.holds[1:]:
            st.text(f"• {translate(hold)}")
        facts = []
        if why.before is not None and why.lane_depth is not None:
            position = number(why.before + 1)
            text = _("position {position} of {depth} in its lane")
            facts.append(text.format(position=position, depth=number(why.lane_depth)))
        if why.starts:
            facts.append(translate(why.starts))
        if facts:
            st.caption(enumerated(facts))
        if why.agents:
            rows = [
                {
                    _("Agent"): verdict.agent,
                    _("Eligible"): _("now") if verdict.takes else _("later") if verdict.can else _("no"),
                    _("Reason"): translate(verdict.reason),
                }
                for verdict in why.agents
            ]
            show_table(
                pd.DataFrame(rows),
                alt=_("Eligibility of each agent for this task"),
                key="verdicts",
                columns={_("Reason"): st.column_config.TextColumn(width="large")},
            )


def shortened_id(task_id: str) -> str:
    """Returns enough of an id to tell a task from its neighbours: the first groups are the time."""
    return task_id[-12:]
