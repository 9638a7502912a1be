"""Alerts if no worker leads."""

from __future__ import annotations

from taskyard.core.alerts.kind import LEADER, DefaultRule, Kind, Limits, Subject, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

NO_LEADER = MessageTemplate("leader_missing.no_leader", N_("no worker leads; nothing is scheduled"))


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns a reading of 1 if no worker leads, else of 0."""
    if signals.is_led is None:
        return None
    return {LEADER: Reading(float(not signals.is_led), NO_LEADER())}


KIND = Kind(
    name="leader_missing",
    title=N_("No leader"),
    measures=N_("whether no worker leads"),
    unit=Unit.YES_OR_NO,
    subject=Subject.LEADER,
    read=read,
    messages=(NO_LEADER,),
    default_rules=(DefaultRule("leader missing", "critical", for_seconds=15),),
)
