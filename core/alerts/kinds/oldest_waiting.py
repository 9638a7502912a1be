"""Alerts if the oldest ready task of a queue has waited too long."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Subject, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

WAITED = MessageTemplate(
    "oldest_waiting.waited",
    N_("the oldest pending task of queue {queue}, of type {type}, has waited for {seconds}"),
    durations=("seconds",),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns the age of each queue's oldest ready task."""
    live = signals.live
    if live is None:
        return None
    found: dict[str, Reading] = {}
    for lane in live.lanes:
        if lane.oldest_ready_at is None:
            continue
        seconds = max(0.0, live.open_at - lane.oldest_ready_at)
        if lane.queue not in found or found[lane.queue].value < seconds:
            found[lane.queue] = Reading(seconds, WAITED(queue=lane.queue, type=lane.type, seconds=seconds))
    return found


KIND = Kind(
    name="oldest_waiting",
    title=N_("Queue latency high"),
    measures=N_("seconds that a queue's oldest ready task has waited"),
    unit=Unit.SECONDS,
    subject=Subject.QUEUE,
    read=read,
    messages=(WAITED,),
    default_rules=(DefaultRule("tasks wait long", threshold=300, clear=120, for_seconds=60),),
)
