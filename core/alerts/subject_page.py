"""Says on which page of the dashboard an alert and its subject are found (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from taskyard.core.alerts.kind import Subject
from taskyard.core.alerts.kinds import KINDS
from taskyard.core.states import WAITING, TaskState

Place = tuple[str, Mapping[str, str]]  # a page's name, and the parameters of its address

_BY_SUBJECT: Mapping[Subject, tuple[str, str]] = {
    Subject.QUEUE: ("queues", "queue"),
    Subject.TYPE: ("tasks", "types"),
}
_AGENTS = ("agent_lost", "agent_flapping", "agent_unhealthy", "name_shared", "not_started")
_ERRORS = ("failure_rate", "retry_storm")  # of a type: its error groups say more than its tasks
_WAITING = {"states": ",".join(state for state in TaskState if state in WAITING), "sort": "oldest"}
_FIXED: Mapping[str, Place] = {
    "server_down": ("system", {"part": "servers"}),
    "api_down": ("system", {"part": "servers"}),
    "dashboard_down": ("system", {"part": "dashboard"}),
    "leader_missing": ("system", {"part": "leader"}),
    "dispatcher_stalled": ("system", {"part": "leader"}),
    "duty_late": ("system", {"part": "leader"}),
    "tick_blocked": ("system", {"part": "leader"}),
    "disk": ("system", {"part": "hosts"}),
    "memory": ("system", {"part": "hosts"}),
    "quarantined": ("system", {"part": "log"}),
    "reports_kept": ("system", {"part": "servers"}),
    "mail_unread": ("agents", {}),
    "dead_letters": ("agents", {}),
    "webhook_disabled": ("webhooks", {}),
    "question_waiting": ("inbox", {}),
    "predictions_drift": ("learning", {}),
    "head_starts_off": ("learning", {"show": "order"}),
}
_MEASURES = (" duration", " failure rate", " arrival rate")  # of the kind anomaly, behind the type


def subject_page(kind: str | None, subject: str) -> Place | None:
    """Returns the page about an alert's subject and its parameters; None for a kind that is not known here."""
    known = KINDS.get(kind or "")
    if known is None:
        return None
    if known.name in _FIXED:
        return _FIXED[known.name]
    if known.name in _AGENTS:
        return "agents", {"agent": subject}
    if known.name == "schedule_late":
        return "schedules", {"schedule": subject}
    if known.name in _ERRORS:
        return "failures", {"type": subject}
    if known.name == "anomaly":
        type_ = next((subject.removesuffix(end) for end in _MEASURES if subject.endswith(end)), subject)
        return "tasks", {"types": type_}
    page, parameter = _BY_SUBJECT[known.subject]
    return page, {parameter: subject, **(_WAITING if known.name == "no_agent" else {})}


def submitted_page(parameters: Mapping[str, object] | None) -> Place | None:
    """Returns the page of the workflow or task that the parameters of an alert's message name; None if they don't."""
    known = parameters or {}
    if isinstance(workflow := known.get("workflow"), str):
        return "workflows", {"workflow": workflow}
    if isinstance(task := known.get("task"), str):
        return "task", {"id": task}
    return None


def alert_url(pages: str, alert_id: str) -> str | None:
    """Returns the address of an alert with its runbook, below that of the dashboard's `pages`; None without that."""
    return _url(pages, "alerts", {"alert": alert_id})


def rule_url(pages: str, rule: str) -> str | None:
    """Returns the address of a rule's alerts."""
    return _url(pages, "alerts", {"rule": rule})


def subject_url(pages: str, kind: str | None, subject: str) -> str | None:
    """Returns the address of the page about an alert's subject, if there is one."""
    place = subject_page(kind, subject)
    return None if place is None else _url(pages, *place)


def _url(pages: str, page: str, query: Mapping[str, str]) -> str | None:
    if not pages:
        return None
    return f"{pages}/{page}" + (f"?{urlencode(query)}" if query else "")
