"""Alerts if the dashboard that this worker serves does not answer."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

DOWN = MessageTemplate("dashboard_down.down", N_("the dashboard can't be opened: {reason}"))


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the dashboard's problem, if there is one."""
    own = signals.own
    if own is None:
        return None
    if own.dashboard_problem is None:
        return {}
    return {"dashboard": Reading(1.0, DOWN(reason=own.dashboard_problem))}


KIND = Kind(
    name="dashboard_down",
    title=N_("Dashboard down"),
    measures=N_("whether the dashboard that a worker serves does not answer"),
    unit=Unit.YES_OR_NO,
    read=read,
    messages=(DOWN,),
    default_rules=(DefaultRule("dashboard down", "critical"),),
)
