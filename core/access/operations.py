"""Lists every operation with the permission it needs and the doors it is reached by (pure).

One table for the documentation and for the tests, which ask that no door does anything that is not in it and try each
operation as each role.
"""

from __future__ import annotations

from dataclasses import dataclass

from taskyard.core.access.permissions import Permission


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that users do; `name` is for the documentation.

    `api` has operation ids of the API's document, `commands` commands of `taskyard`, `pages` pages of the dashboard.
    With `is_whole` the permission counts only for those whose role is not narrowed to queues or task types.
    """

    name: str
    permission: Permission
    api: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    is_whole: bool = False


_READ, _PAYLOAD = Permission.TASK_READ, Permission.PAYLOAD_READ
_SUBMIT, _OPERATE = Permission.TASK_SUBMIT, Permission.TASK_OPERATE
_HOLD, _CONTROL, _HANDLE = Permission.QUEUE_HOLD, Permission.AGENT_CONTROL, Permission.ALERT_HANDLE
_EXPORT, _MANAGE = Permission.AUDIT_EXPORT, Permission.ACCESS_MANAGE

# Of each permission, in the order of `Permission`.
OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "See tasks, their states, attempts, history and relatives",
        _READ,
        (
            "tasks_find", "tasks_get", "tasks_result", "tasks_history", "tasks_why", "tasks_count_states",
            "tasks_attempts", "tasks_relatives", "tasks_open_below", "tasks_find_filters",
        ),
        ("list", "show", "why", "history"),
        ("overview", "tasks", "task"),
    ),
    Operation(
        "See workflows, their graphs and progress",
        _READ,
        ("workflows_find", "workflows_get", "workflows_graph"),
        ("workflow list", "workflow show"),
        ("workflows",),
    ),
    Operation(
        "See what tasks ask people, and the answers", _READ, ("questions_find", "questions_get"),
        ("inbox list", "inbox show"), ("inbox", "task"),
    ),
    Operation("Follow events as they happen", _READ, ("events_follow", "events_follow_task"), (), ("task",)),
    Operation("See who one is and what one may do", _READ, ("access_identify",)),
    Operation("See task types", _READ, ("types_find", "types_get"), ("types",)),
    Operation(
        "See schedules, and what became of their fire times",
        _READ,
        (
            "schedules_find_schedules", "schedules_get_schedule", "schedules_preview", "schedules_next_fires",
            "schedules_find_fires",
        ),
        ("schedule list", "schedule show", "schedule next"),
        ("schedules",),
    ),
    Operation(
        "See queues and holds",
        _READ,
        ("queues_find", "queues_get", "queues_series", "queues_find_holds"),
        ("holds",),
        ("queues",),
    ),
    Operation(
        "See agents",
        _READ,
        ("agents_find", "agents_get", "agents_find_boots", "agents_timeline", "pools_find"),
        ("agents", "pool list"),
        ("agents",),
    ),
    Operation("See agents' messages", _READ, ("mail_find", "mail_letters"), ("mail list",), is_whole=True),
    Operation(
        "See error groups", _READ, ("failures_find", "failures_get", "failures_find_tasks"), (), ("failures",)
    ),
    Operation(
        "See alerts, silences and rules",
        _READ,
        ("alerts_find", "alerts_get", "alerts_find_silences", "alerts_find_rules", "alerts_get_runbook"),
        ("alerts", "silences"),
        ("alerts",),
    ),
    Operation(
        "See figures and reports",
        _READ,
        ("reports_make", "metrics_summary", "health_prometheus"),
        ("report",),
        ("reports", "system", "learning"),
    ),
    Operation("Replay recorded work under another policy", _READ, (), ("replay",), is_whole=True),
    Operation(
        "See the system's state",
        _READ,
        (
            "system_status", "system_servers", "system_checks", "system_leader", "system_figures", "system_storage",
            "system_settings", "system_versions",
        ),
        ("status",),
        ("system",),
        is_whole=True,
    ),
    Operation(
        "See what is in quarantine", _READ, ("quarantine_find", "quarantine_get"),
        ("quarantine list", "quarantine show"), is_whole=True,
    ),
    Operation("See a task's log", _PAYLOAD, ("tasks_log", "tasks_export_log"), ("logs",), ("task",)),
    Operation(
        "See the worker's log and its reports",
        _PAYLOAD,
        ("system_log", "reports_find_files", "reports_get_file"),
        (),
        ("system", "reports"),
        is_whole=True,
    ),
    Operation(
        "Submit tasks, and check files of tasks",
        _SUBMIT,
        ("tasks_submit", "tasks_submit_many", "tasks_check_file"),
        ("submit",),
        ("submit",),
    ),
    Operation("Submit workflows", _SUBMIT, ("workflows_submit",), ("workflow submit",)),
    Operation(
        "Cancel, retry, reprioritise and signal tasks, one or many",
        _OPERATE,
        (
            "tasks_cancel", "tasks_cancel_tree", "tasks_retry", "tasks_preview_retry", "tasks_reprioritise",
            "tasks_preview_bulk", "tasks_run_bulk", "tasks_send_signal",
        ),
        ("cancel", "retry", "priority", "bulk", "signal"),
        ("tasks", "task", "failures"),
    ),
    Operation(
        "Cancel and retry workflows",
        _OPERATE,
        ("workflows_cancel", "workflows_retry", "workflows_preview_retry"),
        ("workflow cancel", "workflow retry"),
        ("workflows",),
    ),
    Operation(
        "Create, change, pause and remove schedules, run them now, make up for fire times",
        _OPERATE,
        (
            "schedules_create_schedule", "schedules_change_schedule", "schedules_delete_schedule", "schedules_run",
            "schedules_backfill", "schedules_apply_file",
        ),
        (
            "schedule add", "schedule edit", "schedule pause", "schedule resume", "schedule run", "schedule remove",
            "schedule backfill", "schedule apply",
        ),
        ("schedules",),
    ),
    Operation("Save and delete filters", _OPERATE, ("tasks_save_filter", "tasks_delete_filter"), (), ("tasks",)),
    Operation(
        "Drop what is in quarantine",
        _OPERATE,
        ("quarantine_drop", "quarantine_drop_all"),
        ("quarantine drop",),
        is_whole=True,
    ),
    Operation(
        "Send test messages and deliveries again",
        _OPERATE,
        ("webhooks_ping", "webhooks_send_again"),
        ("webhooks ping", "webhooks send"),
        ("webhooks",),
        is_whole=True,
    ),
    Operation(
        "Answer and delegate questions, as far as they are asked of one",
        Permission.QUESTION_ANSWER,
        ("questions_answer", "questions_delegate"),
        ("inbox answer", "inbox decline", "inbox delegate"),
        ("inbox",),
    ),
    Operation(
        "Pause, drain and resume queues and task types",
        _HOLD,
        ("queues_hold_queue", "queues_release_queue", "queues_hold_type", "queues_release_type"),
        ("pause", "drain", "resume"),
        ("queues",),
    ),
    Operation(
        "Pause, drain, resume, restart and scale agents",
        _CONTROL,
        ("agents_pause", "agents_drain", "agents_resume", "agents_restart", "pools_scale", "pools_reset"),
        ("pause", "drain", "resume", "restart", "pool scale", "pool reset"),
        ("agents",),
        is_whole=True,
    ),
    Operation(
        "Send dead letters again, and empty mailboxes",
        _CONTROL,
        ("mail_redrive", "mail_purge"),
        ("mail redrive", "mail purge"),
        is_whole=True,
    ),
    Operation("Acknowledge alerts", _HANDLE, ("alerts_acknowledge", "alerts_acknowledge_group"), ("ack",), ("alerts",)),
    Operation(
        "Silence alerts",
        _HANDLE,
        ("alerts_silence", "alerts_end_silence"),
        ("silence", "unsilence"),
        ("alerts",),
        is_whole=True,
    ),
    Operation("Mute error groups", _HANDLE, ("failures_mute", "failures_unmute"), (), ("failures",), is_whole=True),
    Operation(
        "Read and export the audit log", _EXPORT, ("audit_find", "audit_export"), (), ("audit",), is_whole=True
    ),
    Operation(
        "See webhooks and deliveries",
        _EXPORT,
        ("webhooks_find_webhooks", "webhooks_get_webhook", "webhooks_find_deliveries"),
        ("webhooks list", "webhooks deliveries"),
        ("webhooks",),
        is_whole=True,
    ),
    Operation(
        "Create and change people, services and agents",
        _MANAGE,
        ("access_find_principals", "access_create_principal", "access_get_principal", "access_change_principal"),
        ("access create", "access create-admin", "access list", "access role", "access disable", "access enable"),
        ("access",),
        is_whole=True,
    ),
    Operation(
        "Set passwords, and make and revoke tokens",
        _MANAGE,
        ("access_set_password", "access_make_token", "access_find_tokens", "access_revoke_token"),
        ("access password", "access token", "access tokens", "access revoke", "access agent"),
        ("access",),
        is_whole=True,
    ),
    Operation(
        "See and end sessions",
        _MANAGE,
        ("access_find_sessions", "access_end_session", "access_end_sessions"),
        ("access sessions", "access end-sessions", "access revoke"),
        ("access",),
        is_whole=True,
    ),
    Operation(
        "Create and change webhooks",
        _MANAGE,
        ("webhooks_create_webhook", "webhooks_change_webhook", "webhooks_delete_webhook", "webhooks_rotate_secret"),
        (
            "webhooks add", "webhooks change", "webhooks disable", "webhooks enable", "webhooks remove",
            "webhooks rotate",
        ),
        ("webhooks",),
        is_whole=True,
    ),
    Operation(
        "See and change hooks",
        _MANAGE,
        (
            "hooks_find_hooks", "hooks_create_hook", "hooks_get_hook", "hooks_change_hook", "hooks_delete_hook",
            "hooks_rotate_secret",
        ),
        (
            "hooks add", "hooks list", "hooks change", "hooks disable", "hooks enable", "hooks remove",
            "hooks rotate",
        ),
        ("webhooks",),
        is_whole=True,
    ),
)  # fmt: skip
# Reached by an agent's token alone, which reaches nothing else.
OF_AGENTS: tuple[str, ...] = (
    "agent_identify", "agent_report", "agent_heartbeat", "agent_orders", "agent_tail", "agent_delete", "agent_send",
    "agent_receive", "agent_acknowledge", "agent_give_back",
)  # fmt: skip
# Commands that need PostgreSQL and Redis themselves; all others of users go over HTTP, too. Who came by a token makes
# no credential; links, samples and the first admin are made where the installation's settings are.
AT_THE_SERVERS: tuple[str, ...] = (
    "access create-admin", "access password", "access token", "access agent", "enter", "prune", "relearn", "kept",
    "seed", "replay",
)  # fmt: skip
# Who comes to the worker's host may start these; they ask for no role.
OF_THE_HOST: tuple[str, ...] = (
    "run", "agent", "seats", "api", "dashboard", "enter", "runbook", "rules", "migrate", "prune", "relearn", "kept",
    "seed", "doctor", "prove", "soak", "bench", "simulate", "access database",
)  # fmt: skip
OVER_HTTP: frozenset[str] = frozenset(name for row in OPERATIONS for name in row.commands) - set(AT_THE_SERVERS)
