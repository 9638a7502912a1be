"""Alerts if a queue grows."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Subject, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

GREW = MessageTemplate(
    "queue_growth.grew",
    N_("queue {queue} grew from {then:,} to {now:,} pending tasks in {window}"),
    durations=("window",),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns by how many tasks each queue grew."""
    depths = signals.depths(rule.window_seconds)
    if depths is None:
        return None
    return {
        queue: Reading(float(now - then), GREW(queue=queue, then=then, now=now, window=rule.window_seconds))
        for queue, (then, now) in depths.items()
    }


KIND = Kind(
    name="queue_growth",
    title=N_("Queue grows"),
    measures=N_("tasks by which a queue grew in the window"),
    unit=Unit.COUNT,
    subject=Subject.QUEUE,
    window_seconds=600,
    read=read,
    messages=(GREW,),
    default_rules=(DefaultRule("queue grows", threshold=1000, clear=100, for_seconds=60),),
)
