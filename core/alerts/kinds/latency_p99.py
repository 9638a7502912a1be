"""Alerts if tasks of a type start late."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Subject, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

SLOW = MessageTemplate(
    "latency_p99.slow",
    N_("1 % of the tasks of type {type} wait longer than {seconds} to start"),
    durations=("seconds",),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the 99th percentile of queue latency of each type with enough attempts."""
    waits = signals.waits(rule.window_seconds)
    if waits is None:
        return None
    found = {}
    for name, histogram in waits.items():
        if histogram.count >= rule.least_count:
            seconds = histogram.percentile(99) or 0.0
            found[name] = Reading(seconds, SLOW(type=name, seconds=seconds))
    return found


KIND = Kind(
    name="latency_p99",
    title=N_("Slow task start"),
    measures=N_("99th percentile of a type's seconds from ready to started"),
    unit=Unit.SECONDS,
    subject=Subject.TYPE,
    window_seconds=300,
    least_count=20,
    read=read,
    messages=(SLOW,),
    default_rules=(DefaultRule("slow start", threshold=60, clear=30, for_seconds=120),),
)
