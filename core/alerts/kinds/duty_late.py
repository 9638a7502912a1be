"""Alerts if a periodic duty of this worker is late or hangs."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

LATE = MessageTemplate("duty_late.late", N_("duty {duty}: {reason}"))


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the duties that are late."""
    own = signals.own
    if own is None:
        return None
    return {name: Reading(1.0, LATE(duty=name, reason=reason)) for name, reason in own.late_duties.items()}


KIND = Kind(
    name="duty_late",
    title=N_("Duty late"),
    measures=N_("whether a periodic duty of the worker is late or hangs"),
    unit=Unit.YES_OR_NO,
    read=read,
    messages=(LATE,),
    default_rules=(DefaultRule("duties late"),),
)
