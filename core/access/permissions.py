"""Defines permissions, and the roles that bundle them (pure)."""

from __future__ import annotations

from enum import StrEnum

from taskyard.core.i18n import N_


class Permission(StrEnum):
    """What an operation may need."""

    TASK_READ = "task.read"  # see tasks, queues, agents, failures, alerts, figures and reports
    PAYLOAD_READ = "payload.read"  # see inputs, outputs, logs, checkpoints and the values in errors
    TASK_SUBMIT = "task.submit"
    CODE_SUBMIT = "code.submit"  # submit or retry tasks that run code of their own or read the host
    TASK_OPERATE = "task.operate"  # cancel, retry, reprioritise
    QUEUE_HOLD = "queue.hold"
    AGENT_CONTROL = "agent.control"
    ALERT_HANDLE = "alert.handle"
    AUDIT_EXPORT = "audit.export"
    ACCESS_MANAGE = "access.manage"  # people, tokens, agents, roles, sessions


class Role(StrEnum):
    """What a principal is; each role may do everything that those before it may."""

    VIEWER = "viewer"
    SUBMITTER = "submitter"
    OPERATOR = "operator"
    ADMIN = "admin"


ALL_PERMISSIONS = frozenset(Permission)
# Visitors from this machine who have not opened the link: they see and operate, but run no code and manage no access.
LOCAL_PERMISSIONS = ALL_PERMISSIONS - {Permission.CODE_SUBMIT, Permission.ACCESS_MANAGE}

_VIEWER = frozenset({Permission.TASK_READ})
_SUBMITTER = _VIEWER | {Permission.PAYLOAD_READ, Permission.TASK_SUBMIT}
ROLES: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.SUBMITTER: _SUBMITTER,
    Role.OPERATOR: LOCAL_PERMISSIONS,
    Role.ADMIN: ALL_PERMISSIONS,
}

MEANINGS = {
    Permission.TASK_READ: N_("see tasks, queues, agents, failures, alerts and figures"),
    Permission.PAYLOAD_READ: N_("see inputs, outputs, logs and values in errors"),
    Permission.TASK_SUBMIT: N_("submit tasks"),
    Permission.CODE_SUBMIT: N_("submit and retry tasks that run code or read files"),
    Permission.TASK_OPERATE: N_("cancel, retry and reprioritise tasks"),
    Permission.QUEUE_HOLD: N_("pause and resume queues and task types"),
    Permission.AGENT_CONTROL: N_("pause, drain and restart agents"),
    Permission.ALERT_HANDLE: N_("acknowledge and silence alerts"),
    Permission.AUDIT_EXPORT: N_("read and export the audit log"),
    Permission.ACCESS_MANAGE: N_("manage people, tokens and roles"),
}
