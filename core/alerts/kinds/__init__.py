"""Registers the kinds of alert rules, a module each: its reader, its messages, its shipped rules, and its unit.

A new kind is a new module here, a line in `_MODULES`, its case in tests/unit/test_alert_kinds.py and its page
docs/operations/alerts/<kind>.md. May import: the modules of core.alerts beside this folder, which know no kind.
"""

from __future__ import annotations

from collections.abc import Mapping

from taskyard.core.alerts.kind import Kind
from taskyard.core.alerts.kinds import (
    absence,
    agent_flapping,
    agent_lost,
    agent_unhealthy,
    anomaly,
    api_down,
    dashboard_down,
    dead_letters,
    disk,
    dispatcher_stalled,
    duty_late,
    failure_rate,
    head_starts_off,
    latency_p99,
    leader_missing,
    mail_unread,
    memory,
    name_shared,
    no_agent,
    not_started,
    oldest_waiting,
    predictions_drift,
    quarantined,
    question_waiting,
    queue_growth,
    reports_kept,
    retry_storm,
    schedule_late,
    server_down,
    tick_blocked,
    webhook_disabled,
)
from taskyard.core.message_templates import MessageTemplate

_MODULES = (  # in the order of the shipped rules
    leader_missing,
    server_down,
    tick_blocked,
    dispatcher_stalled,
    not_started,
    agent_unhealthy,
    dashboard_down,
    api_down,
    duty_late,
    no_agent,
    oldest_waiting,
    queue_growth,
    failure_rate,
    retry_storm,
    latency_p99,
    agent_lost,
    agent_flapping,
    name_shared,
    disk,
    memory,
    absence,
    anomaly,
    quarantined,
    reports_kept,
    mail_unread,
    dead_letters,
    webhook_disabled,
    schedule_late,
    question_waiting,
    predictions_drift,
    head_starts_off,
)
KINDS: Mapping[str, Kind] = {module.KIND.name: module.KIND for module in _MODULES}
MESSAGES: Mapping[str, MessageTemplate] = {one.id: one for kind in KINDS.values() for one in kind.messages}
