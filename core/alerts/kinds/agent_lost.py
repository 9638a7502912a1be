"""Alerts if an agent's process was lost."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

LOST = MessageTemplate(
    "agent_lost.lost",
    N_("agent {agent} was lost {count} times in the last {window}"),
    one=N_("agent {agent} was lost once in the last {window}"),
    durations=("window",),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns how often each agent was lost."""
    lost = signals.agents_lost(rule.window_seconds)
    if lost is None:
        return None
    window = rule.window_seconds
    return {name: Reading(float(n), LOST(agent=name, count=n, window=window)) for name, n in lost.items()}


KIND = Kind(
    name="agent_lost",
    title=N_("Agent lost"),
    measures=N_("how often an agent was lost"),
    unit=Unit.COUNT,
    is_whole=True,
    window_seconds=300,
    read=read,
    messages=(LOST,),
    default_rules=(DefaultRule("agent lost", threshold=1),),
)
