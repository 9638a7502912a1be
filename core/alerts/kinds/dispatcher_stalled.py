"""Alerts if the dispatcher has not finished a tick for too long."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

STALLED = MessageTemplate(
    "dispatcher_stalled.stalled",
    N_("no tick has finished for {seconds}; the dispatcher waits for {what}"),
    durations=("seconds",),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the seconds since this worker's dispatcher last finished a tick."""
    own = signals.own
    if own is None:
        return None
    return {"dispatcher": Reading(own.stalled_seconds, STALLED(seconds=own.stalled_seconds, what=own.waits_for))}


KIND = Kind(
    name="dispatcher_stalled",
    title=N_("Dispatcher stalled"),
    measures=N_("seconds since the dispatcher last finished a tick"),
    unit=Unit.SECONDS,
    read=read,
    messages=(STALLED,),
    default_rules=(DefaultRule("dispatcher stalled", "critical", threshold=20, clear=10),),
)
