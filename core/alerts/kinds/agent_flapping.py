"""Alerts if an agent restarts repeatedly."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

STARTED = MessageTemplate(
    "agent_flapping.started",
    N_("agent {agent} started {count} times in the last {window}"),
    one=N_("agent {agent} started once in the last {window}"),
    durations=("window",),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns how often each agent started."""
    started = signals.agents_started(rule.window_seconds)
    if started is None:
        return None
    window = rule.window_seconds
    return {name: Reading(float(n), STARTED(agent=name, count=n, window=window)) for name, n in started.items()}


KIND = Kind(
    name="agent_flapping",
    title=N_("Agent flapping"),
    measures=N_("how often an agent started"),
    unit=Unit.COUNT,
    is_whole=True,
    window_seconds=600,
    read=read,
    messages=(STARTED,),
    default_rules=(DefaultRule("agent flapping", "critical", threshold=5, clear=3),),
)
