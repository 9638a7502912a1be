"""Alerts if a host's disk is nearly full."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

FULL = MessageTemplate("disk.full", N_("the disk of {path} on {host} is {share:.0%} full"))


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the used share of each relevant disk."""
    hosts = signals.hosts()
    if hosts is None:
        return None
    return {
        f"{host} {path}": Reading(share, FULL(path=path, host=host, share=share))
        for host, usage in hosts.items()
        for path, share in usage.disks.items()
    }


KIND = Kind(
    name="disk",
    title=N_("Disk nearly full"),
    measures=N_("share of a host's disk that is used"),
    unit=Unit.SHARE,
    read=read,
    messages=(FULL,),
    default_rules=(DefaultRule("disk nearly full", "critical", threshold=0.9, clear=0.85, for_seconds=30),),
)
