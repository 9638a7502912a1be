"""Alerts if messages to an agent became dead letters."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

GIVEN_UP = MessageTemplate(
    "dead_letters.given_up",
    N_("{count} messages to agent {agent} became dead letters: taskyard mail list --dead"),
    one=N_("{count} message to agent {agent} became a dead letter: taskyard mail list --dead"),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the dead letters of each mailbox; `taskyard mail redrive` or `purge` removes them."""
    live = signals.live
    if live is None or live.mail is None:
        return None
    return {
        box.agent: Reading(float(box.dead_letters), GIVEN_UP(count=box.dead_letters, agent=box.agent))
        for box in live.mail.boxes
    }


KIND = Kind(
    name="dead_letters",
    title=N_("Dead letters"),
    measures=N_("dead letters of an agent"),
    unit=Unit.COUNT,
    is_whole=True,
    read=read,
    messages=(GIVEN_UP,),
    default_rules=(DefaultRule("dead letters", threshold=1),),
)
