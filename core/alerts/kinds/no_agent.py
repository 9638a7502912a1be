"""Alerts if tasks of a type wait and no agent can take them."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Subject, Unit
from taskyard.core.alerts.placement_reasons import REASONS, lanes_without_agent
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

PENDING = MessageTemplate(
    "no_agent.pending",
    N_("{count} tasks of type {type} are pending: {reason}"),
    one=N_("{count} task of type {type} is pending: {reason}"),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the types with a lane that no agent can take."""
    live = signals.live
    if live is None:
        return None
    return {
        lane.type: Reading(1.0, PENDING(count=lane.ready, type=lane.type, reason=reason))
        for lane, reason in lanes_without_agent(live)
    }


KIND = Kind(
    name="no_agent",
    title=N_("No agent for a type"),
    measures=N_("whether a type has pending tasks that no agent can take"),
    unit=Unit.YES_OR_NO,
    subject=Subject.TYPE,
    read=read,
    messages=(PENDING, *REASONS),
    default_rules=(DefaultRule("no agent for a type", "critical", for_seconds=60),),
)
