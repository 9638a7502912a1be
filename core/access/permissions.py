"""Defines permissions, and the roles that bundle them (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from taskyard.core.i18n import N_, msg


class Permission(StrEnum):
    """What an operation may need."""

    TASK_READ = "task.read"  # see tasks, queues, agents, failures, alerts, figures and reports
    PAYLOAD_READ = "payload.read"  # see inputs, outputs, logs, checkpoints and the values in errors
    TASK_SUBMIT = "task.submit"
    CODE_SUBMIT = "code.submit"  # submit or retry tasks that run code of their own or read the host
    TASK_OPERATE = "task.operate"  # cancel, retry, reprioritise, signal
    QUESTION_ANSWER = "question.answer"  # answer and delegate what tasks ask people
    QUEUE_HOLD = "queue.hold"
    AGENT_CONTROL = "agent.control"
    ALERT_HANDLE = "alert.handle"
    AUDIT_EXPORT = "audit.export"
    ACCESS_MANAGE = "access.manage"  # people, services, agents, their roles, tokens and sessions


class Role(StrEnum):
    """What a principal may do: each role may do everything that those before it may."""

    VIEWER = "viewer"
    SUBMITTER = "submitter"
    OPERATOR = "operator"
    ADMIN = "admin"


def is_role(name: str) -> bool:
    """Returns True if a name is that of a role."""
    return name in set(Role)


ALL_PERMISSIONS = frozenset(Permission)
# Visitors from this machine who have not opened the link: they see and operate, but run no code and manage no access.
LOCAL_PERMISSIONS = ALL_PERMISSIONS - {Permission.CODE_SUBMIT, Permission.ACCESS_MANAGE}

_VIEWER = frozenset({Permission.TASK_READ})
_SUBMITTER = _VIEWER | {Permission.PAYLOAD_READ, Permission.TASK_SUBMIT, Permission.QUESTION_ANSWER}
ROLES: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.SUBMITTER: _SUBMITTER,
    Role.OPERATOR: LOCAL_PERMISSIONS,
    Role.ADMIN: ALL_PERMISSIONS,
}

ROLE_NAMES: Mapping[Role, str] = {
    Role.VIEWER: N_("viewer"),
    Role.SUBMITTER: N_("submitter"),
    Role.OPERATOR: N_("operator"),
    Role.ADMIN: N_("admin"),
}

# What each allows, as the end of "ann may not …".
MEANINGS: Mapping[Permission, str] = {
    Permission.TASK_READ: msg("see tasks, queues, agents, failures, alerts and figures"),
    Permission.PAYLOAD_READ: msg("see inputs, outputs, logs and values in errors"),
    Permission.TASK_SUBMIT: msg("submit tasks"),
    Permission.CODE_SUBMIT: msg("submit and retry tasks that run code or read files"),
    Permission.TASK_OPERATE: msg("cancel, retry, reprioritise and signal tasks"),
    Permission.QUESTION_ANSWER: msg("answer questions of tasks"),
    Permission.QUEUE_HOLD: msg("pause, drain and resume queues and task types"),
    Permission.AGENT_CONTROL: msg("pause, drain, restart and scale agents"),
    Permission.ALERT_HANDLE: msg("acknowledge and silence alerts, and mute failures"),
    Permission.AUDIT_EXPORT: msg("read and export the audit log, and see webhooks"),
    Permission.ACCESS_MANAGE: msg("manage people, tokens and roles"),
}


def permissions_of(role: str | None) -> frozenset[Permission]:
    """Returns what a stored role allows; nothing for one that this release does not know."""
    return ROLES[Role(role)] if role in set(Role) else frozenset()


def role_of(permissions: frozenset[Permission]) -> str:
    """Returns the name of the role with exactly these permissions, as a text to translate; empty if there is none."""
    return next((ROLE_NAMES[role] for role, known in ROLES.items() if known == permissions), "")
