"""Checks ids of tasks that callers give (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.i18n import msg
from taskyard.core.ids import parsed_id
from taskyard.core.payload.culprits import refused


def check_task_id(value: object) -> str:
    """Returns a valid task id; raises SubmissionError."""
    task_id = parsed_id(value)
    if task_id is None:
        raise refused("task", value, msg("a task id (a UUID)"))
    return task_id


def check_task_ids(values: Sequence[object]) -> list[str]:
    """Returns valid task ids; raises SubmissionError for the first invalid one."""
    return [check_task_id(value) for value in values]
