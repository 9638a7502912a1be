"""Alerts if a queue with the policy `learned` had to fall back to the order of arrival."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Subject, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

NOT_SHORTER = MessageTemplate(
    "head_starts_off.not_shorter",
    N_("queue {queue} gives no head starts: tasks predicted short took {percent} % as long as the others"),
)
HARMFUL = MessageTemplate(
    "head_starts_off.harmful",
    N_("queue {queue} gives no head starts: by a replay of its last hours waits are longer with them"),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns 1 for each queue with the policy that gives none, though enough of its tasks have ended."""
    live = signals.live
    if live is None or live.learning is None:
        return None
    found: dict[str, Reading] = {}
    for one in live.learning.queues:
        if not one.is_learned or one.is_on:
            continue
        if one.reason == "harmful":
            found[one.queue] = Reading(1.0, HARMFUL(queue=one.queue))
        elif one.reason == "not_shorter":
            percent = 100 if one.ratio is None else round(100 * one.ratio)
            found[one.queue] = Reading(1.0, NOT_SHORTER(queue=one.queue, percent=percent))
    return found


KIND = Kind(
    name="head_starts_off",
    title=N_("Order of arrival again"),
    measures=N_("whether a queue with the policy learned had to fall back to the order of arrival"),
    unit=Unit.YES_OR_NO,
    subject=Subject.QUEUE,
    read=read,
    messages=(NOT_SHORTER, HARMFUL),
    default_rules=(DefaultRule("head starts off", for_seconds=300),),
)
