"""Reads the parameters of an address of the Audit page, which the exports and the HTTP API take too (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.filters.fields import check_known
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused

# Parameters of the page's address and of the exports.
PARAMS = ("show", "time", "since", "until", "events", "actor", "agent", "task_id", "text")
SHOWS = ("operators", "everything")
TIMES = ("all", "1h", "24h", "7d", "30d", "90d", "between")
# Kinds of events to choose from: users' actions, then what happened to tasks and agents.
EVENTS = (
    "retried",
    "cancelled",
    "reprioritised",
    "bulk_started",
    "bulk_finished",
    "paused",
    "draining",
    "resumed",
    "agent_restarted",
    "pool_scaled",
    "kept_report_dropped",
    "pool_reset",
    "alert_acknowledged",
    "alerts_silenced",
    "alerts_unsilenced",
    "failures_muted",
    "failures_unmuted",
    "question_asked",
    "question_answered",
    "question_declined",
    "question_delegated",
    "question_expired",
    "question_withdrawn",
    "pruned",
    "relearned",
    "head_starts_on",
    "head_starts_off",
    "signed_in",
    "signed_out",
    "signed_out_everywhere",
    "sign_in_refused",
    "session_ended",
    "principal_created",
    "principal_disabled",
    "principal_enabled",
    "role_changed",
    "password_set",
    "token_made",
    "token_revoked",
    "webhook_created",
    "webhook_changed",
    "webhook_deleted",
    "webhook_enabled",
    "webhook_disabled",
    "webhook_secret_rotated",
    "webhook_pinged",
    "webhook_redelivered",
    "hook_created",
    "hook_changed",
    "hook_deleted",
    "hook_enabled",
    "hook_disabled",
    "hook_secret_rotated",
    "hook_refused",
    "schedule_created",
    "schedule_changed",
    "schedule_deleted",
    "schedule_paused",
    "schedule_resumed",
    "schedule_run",
    "schedule_backfilled",
    "submitted",
    "assigned",
    "started",
    "completed",
    "failed",
    "attempt_failed",
    "handed_back",
    "unblocked",
    "lifted",
    "suspended",
    "signalled",
    "woken",
    "signal_refused",
    "stale_result",
    "hedged",
    "hedge_won",
    "hedge_took_over",
    "hedge_dropped",
    "quarantined",
    "report_kept",
    "log",
    "agent_joined",
    "agent_left",
    "agent_lost",
    "types_deployed",
)


def filter_of(params: Mapping[str, str]) -> EventFilter:
    """Returns the filter in the parameters of the page's address; raises SubmissionError, which names one of them."""
    check_known(PARAMS, params)
    values = {name: params.get(name, "").strip() for name in PARAMS}
    show, time = values.pop("show") or SHOWS[0], values.pop("time") or TIMES[0]
    if show not in SHOWS:
        raise refused("show", show, msg("one of {names}", names=", ".join(SHOWS)))
    if time not in TIMES:
        raise refused("time", time, msg("one of {names}", names=", ".join(TIMES)))
    if time != "between":
        values |= {"since": "" if time == "all" else time, "until": ""}
    return EventFilter.from_params({**values, "only_operators": "yes" if show == "operators" else ""})
