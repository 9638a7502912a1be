"""Turns what became of a task into its output, or into an error that says why there is none."""

from __future__ import annotations

from typing import Any

from taskyard.api.models.tasks import TaskResult
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import NotPermitted, TaskyardError
from taskyard.core.i18n import msg
from taskyard.core.states import TaskState


class NotCompleted(TaskyardError):
    """Raised for the output of a task that failed, was cancelled, or has not ended in time; `result` says which."""

    def __init__(self, result: TaskResult) -> None:
        self.result = result
        message = (result.error or {}).get("message")
        if not result.is_over:
            text = msg("task {id} has not ended yet: it is {state}", id=result.id, state=result.state)
        elif message:
            text = msg("task {id} is {state}: {reason}", id=result.id, state=result.state, reason=message)
        else:
            text = msg("task {id} is {state} and has no output", id=result.id, state=result.state)
        super().__init__(text)


def output_of(result: TaskResult) -> Any:
    """Returns the output of a completed task; raises NotCompleted, and NotPermitted if the output is hidden."""
    if result.state is not TaskState.COMPLETED:
        raise NotCompleted(result)
    if result.is_masked:
        text = msg("the output of task {id} is hidden: it needs the permission payload.read", id=result.id)
        raise NotPermitted(Permission.PAYLOAD_READ.value, text)
    return result.output
