"""Reads and changes alerts and silences, and reads the worker's rules."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.access.identity import Actor
from taskyard.core.i18n import msg
from taskyard.core.ids import parsed_id
from taskyard.core.payload.culprits import required
from taskyard.core.payload.typed_text import checked
from taskyard.core.postgres.store.alerts import Silence
from taskyard.core.submission import authorized_alerts
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views import alerts as view
from taskyard.core.views.alerts import (
    MAX_HISTORY,
    MAX_PATTERN_LENGTH,
    SEVERITIES,
    Alerts,
    Rules,
    ShownAlert,
    ShownChannel,
    ShownRule,
)
from taskyard.core.views.new_silence import EVERYTHING, checked_silence, is_everything
from taskyard.core.views.seeing import sees_alert
from taskyard.dashboard.data.base import connections, forget
from taskyard.dashboard.data.open_alerts import open_alerts
from taskyard.dashboard.data.readings import seen
from taskyard.dashboard.data.viewer import actor

__all__ = [
    "EVERYTHING",
    "MAX_HISTORY",
    "MAX_PATTERN_LENGTH",
    "SEVERITIES",
    "Alerts",
    "Rules",
    "ShownAlert",
    "ShownChannel",
    "ShownRule",
    "open_alerts",
]


@seen()
def one(servers: Servers, sight: Actor, alert_id: str) -> Sequence[ShownAlert]:
    """Returns the alert with an id, resolved or not; nothing if there is none that the viewer sees."""
    known = parsed_id(alert_id)
    if known is None:
        return ()
    with servers.database.transaction() as tx:
        found = view.shown_alert(tx, servers.settings, known)
    return (found,) if found and sees_alert(sight, found.kind, found.alert.subject) else ()


@seen(ttl_seconds=5.0)
def history(servers: Servers, sight: Actor, rule: str | None) -> Sequence[ShownAlert]:
    """Returns the newest MAX_HISTORY resolved alerts, of one rule or of all."""
    with servers.database.transaction() as tx:
        found = view.alert_history(tx, servers.settings, rule)
    return [one for one in found if sees_alert(sight, one.kind, one.alert.subject)]


@seen(ttl_seconds=5.0)
def rules(servers: Servers, sight: Actor) -> Rules:
    """Returns the rules as a worker with the same settings reads them when it starts."""
    return view.seen_rules(sight, view.alert_rules(servers.settings))


def acknowledge(alert_id: str, reason: str) -> bool:
    """Acknowledges a firing alert; returns False if it was not firing any more. Raises SubmissionError,
    NotPermitted or Unavailable.
    """
    why, who = checked("reason", reason), actor()
    with connections().database.transaction() as tx:
        is_changed = authorized_alerts.acknowledge(tx, who, alert_id, why)
    forget()
    return is_changed


def acknowledge_many(alert_ids: Sequence[str], reason: str) -> int:
    """Acknowledges those of the alerts that fire; returns how many. Raises SubmissionError, NotPermitted or
    Unavailable.
    """
    why, who = checked("reason", reason), actor()
    with connections().database.transaction() as tx:
        changed = authorized_alerts.acknowledge_many(tx, who, alert_ids, why)
    forget()
    return len(changed)


def silences_everything(rule: str, subject: str) -> bool:
    """Returns True if a silence with these patterns is of every alert that the viewer's page knows."""
    found = rules().value
    return is_everything(rule.strip(), subject.strip(), [one.name for one in found.rules] if found else ())


def silence(rule: str, subject: str, seconds: float | None, reason: str, confirm: str = "") -> Silence:
    """Silences alerts that match the patterns; raises SubmissionError, NotPermitted or Unavailable.

    See core.views.new_silence.
    """
    if seconds is None:
        raise required("until", msg("how long to be silent"))
    why, who, servers = checked("reason", reason), actor(), connections()
    with servers.database.transaction() as tx:
        new = checked_silence(tx, servers.settings, rule, subject, seconds, confirm)
        made = authorized_alerts.silence(tx, who, new.rule, new.subject, new.seconds, why)
    forget()
    return made


def end_silence(silence_id: str) -> bool:
    """Ends a silence now; returns False if it had ended. Raises SubmissionError, NotPermitted or Unavailable."""
    who = actor()
    with connections().database.transaction() as tx:
        is_changed = authorized_alerts.end_silence(tx, who, silence_id)
    forget()
    return is_changed
