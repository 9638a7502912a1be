"""Alerts if the last task of a schedule has not completed when it was expected."""

from __future__ import annotations

from collections.abc import Mapping

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

OPEN = MessageTemplate(
    "schedule_late.open",
    N_("schedule {schedule}: the task of {seconds} ago has not completed"),
    durations=("seconds",),
)
FAILED = MessageTemplate(
    "schedule_late.failed", N_("schedule {schedule}: the task of {seconds} ago has failed"), durations=("seconds",)
)
CANCELLED = MessageTemplate(
    "schedule_late.cancelled",
    N_("schedule {schedule}: the task of {seconds} ago was cancelled"),
    durations=("seconds",),
)
REFUSED = MessageTemplate(
    "schedule_late.refused",
    N_("schedule {schedule}: the task of {seconds} ago was not accepted"),
    durations=("seconds",),
)
_BY_STATE: Mapping[str, MessageTemplate] = {"failed": FAILED, "cancelled": CANCELLED, "": REFUSED}


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the schedules whose last task should have completed by now and has not; a later one ends it."""
    live = signals.live
    if live is None:
        return None
    return {
        late.schedule: Reading(
            1.0, _BY_STATE.get(late.state, OPEN)(schedule=late.schedule, seconds=max(0.0, live.at - late.fire_time))
        )
        for late in live.late_schedules
    }


KIND = Kind(
    name="schedule_late",
    title=N_("Scheduled task not completed"),
    measures=N_("whether the last task of a schedule has not completed within the time it is expected to take"),
    unit=Unit.YES_OR_NO,
    read=read,
    messages=(OPEN, FAILED, CANCELLED, REFUSED),
    default_rules=(DefaultRule("schedules late"),),
)
