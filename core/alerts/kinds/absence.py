"""Alerts if no task of a type is submitted although there was one every hour."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Subject, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

ABSENT = MessageTemplate(
    "absence.absent",
    N_("no task of type {type} submitted for {seconds}; normally there is one every hour (last {hours} hours)"),
    one=N_("no task of type {type} submitted for {seconds}; there was one in the hour before"),
    counted="hours",
    durations=("seconds",),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the seconds since the last submission of each expected type."""
    silent = signals.silent_types(rule.expected_hours)
    if silent is None:
        return None
    hours = rule.expected_hours
    return {name: Reading(s, ABSENT(type=name, seconds=s, hours=hours)) for name, s in silent.items()}


KIND = Kind(
    name="absence",
    title=N_("No tasks submitted"),
    measures=N_("seconds since the last submission of a type that is normally submitted every hour"),
    unit=Unit.SECONDS,
    subject=Subject.TYPE,
    expected_hours=6,
    read=read,
    messages=(ABSENT,),
    default_rules=(DefaultRule("expected work is absent", threshold=3600, clear=600),),
)
