"""Alerts if many attempts of a type will be retried."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Subject, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

RETRIED = MessageTemplate(
    "retry_storm.retried",
    N_("{count:.0f} attempts of type {type} per minute fail and are retried"),
    one=N_("{count:.0f} attempt of type {type} per minute fails and is retried"),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the attempts per minute of each type that will be retried."""
    attempts = signals.attempts(rule.window_seconds)
    if attempts is None:
        return None
    found = {}
    for name, counts in attempts.items():
        per_minute = counts.retried * 60 / rule.window_seconds
        found[name] = Reading(per_minute, RETRIED(count=per_minute, type=name))
    return found


KIND = Kind(
    name="retry_storm",
    title=N_("Retry storm"),
    measures=N_("a type's attempts per minute that will be retried"),
    unit=Unit.PER_MINUTE,
    subject=Subject.TYPE,
    window_seconds=300,
    read=read,
    messages=(RETRIED,),
    default_rules=(DefaultRule("retry storm", threshold=60, clear=20, for_seconds=120),),
)
