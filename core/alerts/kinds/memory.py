"""Alerts if a host's memory is nearly used up."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

USED = MessageTemplate("memory.used", N_("{share:.0%} of the memory of {host} is used"))


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the used share of each host's memory."""
    hosts = signals.hosts()
    if hosts is None:
        return None
    return {host: Reading(usage.memory, USED(share=usage.memory, host=host)) for host, usage in hosts.items()}


KIND = Kind(
    name="memory",
    title=N_("Memory nearly full"),
    measures=N_("share of a host's memory that is used"),
    unit=Unit.SHARE,
    read=read,
    messages=(USED,),
    default_rules=(DefaultRule("memory nearly full", threshold=0.95, clear=0.9, for_seconds=60),),
)
