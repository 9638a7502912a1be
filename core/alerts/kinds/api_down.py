"""Alerts if the HTTP API that this worker serves does not answer."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

DOWN = MessageTemplate("api_down.down", N_("programs can't reach the API: {reason}"))


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the API's problem, if there is one."""
    own = signals.own
    if own is None:
        return None
    if own.api_problem is None:
        return {}
    return {"API": Reading(1.0, DOWN(reason=own.api_problem))}


KIND = Kind(
    name="api_down",
    title=N_("API down"),
    measures=N_("whether the HTTP API that a worker serves does not answer"),
    unit=Unit.YES_OR_NO,
    read=read,
    messages=(DOWN,),
    default_rules=(DefaultRule("api down", "critical"),),
)
