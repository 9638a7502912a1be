"""Reads what a task's prediction is made of."""

from __future__ import annotations

from taskyard.core.explain_prediction import prediction_of, prediction_text
from taskyard.core.learning.keys import levels_of
from taskyard.core.models import Task
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import learning


def read_prediction(tx: Transaction, task: Task) -> str:
    """Returns the text of a task's prediction, with how much is known of tasks like it now; empty without one."""
    predicted = prediction_of(task)
    if predicted is None:
        return ""
    keys = levels_of(task.type, task.created_by, task.size)
    runs = learning.runs(tx, keys)
    level = max((number for number, key in enumerate(keys) if key in runs), default=0)
    return prediction_text(predicted._replace(runs=runs.get(keys[level], 0), level=level))
