"""Alerts if an agent does not read its messages."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

UNREAD = MessageTemplate(
    "mail_unread.unread",
    N_("the oldest message to agent {agent} has waited for {seconds}: taskyard mail list"),
    durations=("seconds",),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the age of each mailbox's oldest message."""
    live = signals.live
    if live is None or live.mail is None:
        return None
    return {
        box.agent: Reading(box.oldest_seconds, UNREAD(agent=box.agent, seconds=box.oldest_seconds))
        for box in live.mail.boxes
    }


KIND = Kind(
    name="mail_unread",
    title=N_("Messages wait long"),
    measures=N_("seconds that the oldest message in an agent's mailbox has waited"),
    unit=Unit.SECONDS,
    read=read,
    messages=(UNREAD,),
    default_rules=(DefaultRule("messages wait long", threshold=3600),),
)
