"""Hides in the API's models what those without the permission payload.read may not see."""

from __future__ import annotations

from typing import Any, TypeVar

from taskyard.api.models.tasks import HistoryEvent, TaskResult, TaskSummary
from taskyard.core.access.identity import Actor
from taskyard.core.views.masking import MASK, masked_detail, masked_error, reads_payloads

Shown = TypeVar("Shown", bound=TaskSummary)
_PAYLOADS = ("input", "output", "checkpoint")


def masked_task(found: Shown, actor: Actor) -> Shown:
    """Returns a task, or one with details, as an actor may see it."""
    if reads_payloads(actor):
        return found
    hidden: dict[str, Any] = {name: None for name in _PAYLOADS if name in type(found).model_fields}
    said = None if found.progress_message is None else MASK
    return found.model_copy(
        update={**hidden, "error": masked_error(found.error), "progress_message": said, "is_masked": True}
    )


def masked_result(found: TaskResult, actor: Actor) -> TaskResult:
    """Returns a task's result as an actor may see it."""
    if reads_payloads(actor):
        return found
    return found.model_copy(update={"output": None, "error": masked_error(found.error), "is_masked": True})


def masked_event(found: HistoryEvent, actor: Actor) -> HistoryEvent:
    """Returns an event of a task's history as an actor may see it."""
    if reads_payloads(actor):
        return found
    return found.model_copy(update={"detail": masked_detail(found.event, found.detail), "is_masked": True})
