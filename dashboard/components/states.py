"""Names states, priorities, severities, error classes and events consistently, with their colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from taskyard.core.errors import ErrorClass
from taskyard.core.i18n import N_
from taskyard.core.states import Priority, TaskState
from taskyard.core.translation import WORDS
from taskyard.core.workflows.states import WorkflowState
from taskyard.dashboard.i18n import _

# Names of the theme's colours.
STATE_COLORS: Mapping[str, str] = {
    TaskState.BLOCKED: "gray",
    TaskState.SCHEDULED: "violet",
    TaskState.PENDING: "orange",
    TaskState.ASSIGNED: "yellow",
    TaskState.IN_PROGRESS: "blue",
    TaskState.SUSPENDED: "violet",
    TaskState.COMPLETED: "green",
    TaskState.FAILED: "red",
    TaskState.CANCELLED: "gray",
}
WORKFLOW_COLORS: Mapping[str, str] = {
    WorkflowState.RUNNING: "blue",
    WorkflowState.STUCK: "orange",
    WorkflowState.COMPLETED: "green",
    WorkflowState.FAILED: "red",
    WorkflowState.CANCELLED: "gray",
}
PRIORITY_COLORS: Mapping[str, str] = {"low": "gray", "medium": "blue", "high": "orange", "urgent": "red"}
SEVERITY_COLORS: Mapping[str, str] = {"info": "blue", "warning": "orange", "critical": "red"}
AGENT_COLORS: Mapping[str, str] = {
    "online": "green",
    "paused": "orange",
    "draining": "violet",
    "silent": "red",
    "left": "gray",
    "lost": "red",
}
# The usual classes differ, also in a chart of all; none is green, which means success.
ERROR_COLORS: Mapping[str, str] = {
    ErrorClass.TIMEOUT: "orange",
    ErrorClass.CRASHED: "violet",
    ErrorClass.INVALID_INPUT: "gray",
    ErrorClass.INVALID_OUTPUT: "gray",
    ErrorClass.RESOURCE_LIMIT: "gray",
    ErrorClass.TRANSIENT: "yellow",
    ErrorClass.PERMANENT: "red",
    ErrorClass.CANCELLED: "gray",
    ErrorClass.AGENT_LOST: "blue",
    ErrorClass.UNSTORABLE: "gray",
    ErrorClass.UNPROCESSABLE: "gray",
}
QUEUE_COLORS: Mapping[str, str] = {"open": "green", "paused": "orange", "draining": "violet"}
# Kinds of events in the audit log; those that are states have the states' words.
EVENT_WORDS: Mapping[str, str] = {
    "retried": N_("retried"),
    "reprioritised": N_("reprioritised"),
    "bulk_started": N_("bulk started"),
    "bulk_finished": N_("bulk finished"),
    "resumed": N_("resumed"),
    "agent_restarted": N_("agent restarted"),
    "pool_scaled": N_("pool scaled"),
    "pool_reset": N_("pool reset"),
    "alert_acknowledged": N_("alert acknowledged"),
    "alerts_silenced": N_("alerts silenced"),
    "alerts_unsilenced": N_("alerts unsilenced"),
    "failures_muted": N_("failures muted"),
    "failures_unmuted": N_("failures unmuted"),
    "pruned": N_("pruned"),
    "relearned": N_("run times learned anew"),
    "head_starts_on": N_("head starts on"),
    "head_starts_off": N_("head starts off"),
    "question_asked": N_("question asked"),
    "question_answered": N_("question approved"),
    "question_declined": N_("question declined"),
    "question_delegated": N_("question delegated"),
    "question_expired": N_("question expired"),
    "question_withdrawn": N_("question withdrawn"),
    "submitted": N_("submitted"),
    "started": N_("started"),
    "attempt_failed": N_("attempt failed"),
    "handed_back": N_("handed back"),
    "unblocked": N_("unblocked"),
    "lifted": N_("lifted"),
    "suspended": N_("suspended"),
    "woken": N_("woken"),
    "signalled": N_("signalled"),
    "signal_refused": N_("signal refused"),
    "stale_result": N_("stale result"),
    "hedged": N_("second attempt begun"),
    "hedge_won": N_("second attempt was first"),
    "hedge_took_over": N_("second attempt took over"),
    "hedge_dropped": N_("second attempt dropped"),
    "quarantined": N_("quarantined"),
    "report_kept": N_("report kept"),
    "kept_report_dropped": N_("kept report dropped"),
    "log": N_("log"),
    "agent_joined": N_("agent joined"),
    "agent_left": N_("agent left"),
    "agent_lost": N_("agent lost"),
    "types_deployed": N_("types deployed"),
    "signed_in": N_("signed in"),
    "signed_out": N_("signed out"),
    "signed_out_everywhere": N_("signed out everywhere"),
    "sign_in_refused": N_("sign-in refused"),
    "session_ended": N_("session ended"),
    "principal_created": N_("identity created"),
    "principal_disabled": N_("identity disabled"),
    "principal_enabled": N_("identity enabled"),
    "role_changed": N_("role changed"),
    "password_set": N_("password set"),
    "token_made": N_("token made"),
    "token_revoked": N_("token revoked"),
    "webhook_created": N_("webhook created"),
    "webhook_changed": N_("webhook changed"),
    "webhook_deleted": N_("webhook deleted"),
    "webhook_enabled": N_("webhook enabled"),
    "webhook_disabled": N_("webhook disabled"),
    "webhook_secret_rotated": N_("webhook secret rotated"),
    "webhook_pinged": N_("webhook tested"),
    "webhook_redelivered": N_("webhook message sent again"),
    "hook_created": N_("hook created"),
    "hook_changed": N_("hook changed"),
    "hook_deleted": N_("hook deleted"),
    "hook_enabled": N_("hook enabled"),
    "hook_disabled": N_("hook disabled"),
    "hook_secret_rotated": N_("hook secret rotated"),
    "hook_refused": N_("hook call refused"),
    "schedule_created": N_("schedule created"),
    "schedule_changed": N_("schedule changed"),
    "schedule_deleted": N_("schedule removed"),
    "schedule_paused": N_("schedule paused"),
    "schedule_resumed": N_("schedule resumed"),
    "schedule_run": N_("schedule run by hand"),
    "schedule_backfilled": N_("fire times made up for"),
}
STATES = tuple(TaskState)
PRIORITIES = tuple(priority.label for priority in Priority)


def word(name: str) -> str:
    """Returns a state, priority, severity or error class in the viewer's language; other names unchanged."""
    return _(WORDS[name]) if name in WORDS else name


def event_word(event: str) -> str:
    """Returns a kind of event in the viewer's language; an unknown one in readable form."""
    return _(EVENT_WORDS[event]) if event in EVENT_WORDS else word(event).replace("_", " ")


def show_badge(name: str, colors: Mapping[str, str] = STATE_COLORS) -> None:
    """Shows one state, priority or severity in its colour. Other names may hold anything: they are shown as text."""
    if name in WORDS:
        color: Any = colors.get(name, "gray")
        st.badge(word(name), color=color)
    else:
        st.text(name)


def badge_column(label: str, colors: Mapping[str, str], width: int = 110) -> Any:
    """Returns a column of one-element lists of words (`[word(name)]`), in their colours."""
    return st.column_config.MultiselectColumn(
        label, options=[word(name) for name in colors], color=list(colors.values()), width=width
    )
