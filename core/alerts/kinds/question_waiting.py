"""Alerts if a question of a task waits long for people."""

from __future__ import annotations

from taskyard.core.alerts.kind import DefaultRule, Kind, Limits, Subject, Unit
from taskyard.core.alerts.reading import Reading, Readings
from taskyard.core.alerts.signals import Signals
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate

WAITING = MessageTemplate(
    "question_waiting.waiting",
    N_("the oldest open question of tasks in queue {queue} has waited for {seconds}: taskyard inbox list"),
    durations=("seconds",),
)


def read(rule: Limits, signals: Signals) -> Readings | None:
    """Returns for each queue the age of its tasks' oldest open question."""
    live = signals.live
    if live is None:
        return None
    return {queue: Reading(seconds, WAITING(queue=queue, seconds=seconds)) for queue, seconds in live.questions.items()}


KIND = Kind(
    name="question_waiting",
    title=N_("Question waits long"),
    measures=N_("seconds that the oldest open question of a queue's tasks has waited for an answer"),
    unit=Unit.SECONDS,
    read=read,
    messages=(WAITING,),
    default_rules=(DefaultRule("questions wait long", threshold=14_400),),
    subject=Subject.QUEUE,
)
