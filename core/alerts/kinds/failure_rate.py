"""Alerts if many attempts of a type fail."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Subject, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

FAILED = MessageTemplate(
    "failure_rate.failed",
    N_("{failed:,} of {ended:,} attempts of type {type} failed in the last {window}"),
    durations=("window",),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the share of failed attempts of each type with enough attempts."""
    attempts = signals.attempts(rule.window_seconds)
    if attempts is None:
        return None
    found = {}
    for name, counts in attempts.items():
        ended = counts.succeeded + counts.failed
        if ended >= rule.least_count:
            message = FAILED(failed=counts.failed, ended=ended, type=name, window=rule.window_seconds)
            found[name] = Reading(counts.failed / ended, message)
    return found


KIND = Kind(
    name="failure_rate",
    title=N_("Failure rate high"),
    measures=N_("share of a type's attempts that failed"),
    unit=Unit.SHARE,
    subject=Subject.TYPE,
    window_seconds=300,
    least_count=20,
    read=read,
    messages=(FAILED,),
    default_rules=(DefaultRule("failure rate", threshold=0.25, clear=0.1, for_seconds=60),),
)
