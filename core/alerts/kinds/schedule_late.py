"""Alerts if what a schedule submitted last has not completed when it was expected."""

from __future__ import annotations

from collections.abc import Mapping

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

_SECONDS = ("seconds",)
OPEN = MessageTemplate(
    "schedule_late.open", N_("schedule {schedule}: the task of {seconds} ago has not completed"), durations=_SECONDS
)
FAILED = MessageTemplate(
    "schedule_late.failed", N_("schedule {schedule}: the task of {seconds} ago has failed"), durations=_SECONDS
)
CANCELLED = MessageTemplate(
    "schedule_late.cancelled", N_("schedule {schedule}: the task of {seconds} ago was cancelled"), durations=_SECONDS
)
REFUSED = MessageTemplate(
    "schedule_late.refused", N_("schedule {schedule}: the task of {seconds} ago was not accepted"), durations=_SECONDS
)
WORKFLOW_OPEN = MessageTemplate(
    "schedule_late.workflow_open",
    N_("schedule {schedule}: the workflow of {seconds} ago has not completed"),
    durations=_SECONDS,
)
WORKFLOW_FAILED = MessageTemplate(
    "schedule_late.workflow_failed",
    N_("schedule {schedule}: the workflow of {seconds} ago has failed"),
    durations=_SECONDS,
)
WORKFLOW_CANCELLED = MessageTemplate(
    "schedule_late.workflow_cancelled",
    N_("schedule {schedule}: the workflow of {seconds} ago was cancelled"),
    durations=_SECONDS,
)
WORKFLOW_REFUSED = MessageTemplate(
    "schedule_late.workflow_refused",
    N_("schedule {schedule}: the workflow of {seconds} ago was not accepted"),
    durations=_SECONDS,
)
_OF_TASKS: Mapping[str, MessageTemplate] = {"failed": FAILED, "cancelled": CANCELLED, "": REFUSED}
_OF_WORKFLOWS: Mapping[str, MessageTemplate] = {
    "failed": WORKFLOW_FAILED,
    "stuck": WORKFLOW_FAILED,
    "cancelled": WORKFLOW_CANCELLED,
    "": WORKFLOW_REFUSED,
}


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the schedules whose last task or workflow should have completed and has not; a later one ends it."""
    live = signals.live
    if live is None:
        return None
    found = {}
    for late in live.late_schedules:
        is_workflow = late.kind == "workflow"
        template = _OF_WORKFLOWS.get(late.state, WORKFLOW_OPEN) if is_workflow else _OF_TASKS.get(late.state, OPEN)
        submitted = {late.kind: late.id} if late.id else {}  # not in the words: a page links to it
        message = template(schedule=late.schedule, seconds=max(0.0, live.at - late.fire_time), **submitted)
        found[late.schedule] = Reading(1.0, message)
    return found


KIND = Kind(
    name="schedule_late",
    title=N_("Scheduled work not completed"),
    measures=N_("whether what a schedule submitted last has not completed within the time it is expected to take"),
    unit=Unit.YES_OR_NO,
    read=read,
    messages=(
        OPEN,
        FAILED,
        CANCELLED,
        REFUSED,
        WORKFLOW_OPEN,
        WORKFLOW_FAILED,
        WORKFLOW_CANCELLED,
        WORKFLOW_REFUSED,
    ),
    default_rules=(DefaultRule("schedules late"),),
)
