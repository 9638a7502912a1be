"""Alerts if another session's lock keeps the tick from a table or a task's row."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate, identified
from taskyard.core.postgres import locks

BLOCKED = MessageTemplate("tick_blocked.blocked", locks.BLOCKED_BY)
TABLE = MessageTemplate("tick_blocked.table", locks.TABLE)
ROW = MessageTemplate("tick_blocked.row", locks.ROW)
MESSAGES = (BLOCKED, TABLE, ROW)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the longest wait for each table, in seconds."""
    waits = signals.lock_waits()
    if waits is None:
        return None
    longest_last = sorted(waits, key=lambda wait: wait.seconds)
    return {wait.subject: Reading(wait.seconds, identified(wait.text, MESSAGES)) for wait in longest_last}


KIND = Kind(
    name="tick_blocked",
    title=N_("Tick blocked by a lock"),
    measures=N_("seconds that the tick has waited for a lock on a table or on a task's row"),
    unit=Unit.SECONDS,
    read=read,
    messages=MESSAGES,
    default_rules=(DefaultRule("tick blocked by a lock", "critical", threshold=5, clear=1),),
)
