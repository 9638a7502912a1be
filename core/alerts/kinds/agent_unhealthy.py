"""Alerts if an agent of this worker's pool is unhealthy."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

UNHEALTHY = MessageTemplate("agent_unhealthy.unhealthy", N_("agent {agent} does no work: {reason}"))


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the unhealthy agents."""
    own = signals.own
    if own is None:
        return None
    return {name: Reading(1.0, UNHEALTHY(agent=name, reason=reason)) for name, reason in own.unwell_agents.items()}


KIND = Kind(
    name="agent_unhealthy",
    title=N_("Agent unhealthy"),
    measures=N_("whether an agent does no work"),
    unit=Unit.YES_OR_NO,
    read=read,
    messages=(UNHEALTHY,),
    default_rules=(DefaultRule("agents unhealthy", "critical", for_seconds=10),),
)
