"""Alerts if an agent with a free slot does not start its tasks."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

NOT_STARTED = MessageTemplate(
    "not_started.not_started",
    N_("agent {agent} has a free slot but has not started a task assigned {seconds} ago"),
    durations=("seconds",),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns for each agent how long it has left a task unstarted."""
    live = signals.live
    if live is None:
        return None
    return {
        agent.name: Reading(agent.unstarted_seconds, NOT_STARTED(agent=agent.name, seconds=agent.unstarted_seconds))
        for agent in live.agents
    }


KIND = Kind(
    name="not_started",
    title=N_("Tasks assigned but not started"),
    measures=N_("seconds that an agent with a free slot has left an assigned task unstarted"),
    unit=Unit.SECONDS,
    read=read,
    messages=(NOT_STARTED,),
    default_rules=(DefaultRule("tasks assigned but not started", "critical", threshold=20, clear=10),),
)
