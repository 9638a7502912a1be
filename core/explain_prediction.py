"""Says how long a task is predicted to run, and how far along that makes it (pure)."""

from __future__ import annotations

from datetime import datetime

from taskyard.core.humanize import duration, number
from taskyard.core.i18n import N_, msg
from taskyard.core.ids import agent_name_of
from taskyard.core.learning.prediction import Prediction
from taskyard.core.models import Task
from taskyard.core.states import TaskState

MAX_FRACTION = 0.95  # of a task that runs longer than predicted
_FROM = (
    (N_("from {count} run of any type"), N_("from {count} runs of all types")),
    (N_("from {count} run of this type"), N_("from {count} runs of this type")),
    (N_("from {count} run of this type and creator"), N_("from {count} runs of this type and creator")),
    (N_("from {count} run of this size"), N_("from {count} runs of this size")),
)


def prediction_of(task: Task) -> Prediction | None:
    """Returns the prediction that a task was submitted with, without what it was made of; None if it has none.

    Its mean is not read with a task: it is the typical run time here.
    """
    typical, low, high = task.predicted_seconds, task.predicted_low, task.predicted_high
    if typical is None or low is None or high is None:
        return None
    return Prediction(typical, typical, low, high, 0, 0)


def running_text(task: Task, agent: str) -> str:
    """Returns who runs a task, and who makes a second attempt beside that, if somebody does."""
    if task.second_agent_id is None:
        return msg("not waiting: agent {agent} runs it", agent=agent)
    return msg(
        "not waiting: agent {agent} runs it, longer than 19 of 20 such tasks take; agent {other} makes a second "
        "attempt, and the first result counts",
        agent=agent,
        other=agent_name_of(task.second_agent_id),
    )


def prediction_text(predicted: Prediction) -> str:
    """Returns such as `12 s, 80 %: 5 s to 31 s, from 48 runs of this size`."""
    text = msg(
        "{typical}, 80 %: {low} to {high}",
        typical=duration(predicted.typical),
        low=duration(predicted.low),
        high=duration(predicted.high),
    )
    if not predicted.runs:
        return text
    source = msg(_FROM[predicted.level][predicted.runs != 1], count=number(predicted.runs))
    return msg("{prediction}, {source}", prediction=text, source=source)


def predicted_progress(task: Task, now: datetime) -> float | None:
    """Returns how far a running task is by its prediction, at most MAX_FRACTION.

    None if it reports that itself, or nothing is predicted.
    """
    if task.state is not TaskState.IN_PROGRESS or task.progress is not None or task.started_at is None:
        return None
    predicted = prediction_of(task)
    if predicted is None:
        return None
    return min(MAX_FRACTION, max(0.0, (now - task.started_at).total_seconds()) / predicted.typical)
