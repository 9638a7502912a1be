"""Says what is done to many tasks, by whom and why (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from taskyard.core.edges import RetryScope
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.i18n import either, msg
from taskyard.core.payload.culprits import refused, required
from taskyard.core.scheduling.retry_scope import check_scope
from taskyard.core.states import CANCELLABLE, REPRIORITISABLE, RETRYABLE_STATES, Priority, TaskState
from taskyard.core.submission.priorities import check_priority

MAX_REASON_LENGTH = 500  # characters


class Action(StrEnum):
    """What is done to many tasks."""

    CANCEL = "cancel"
    RETRY = "retry"
    PRIORITY = "priority"


ALLOWED_STATES: dict[Action, frozenset[TaskState]] = {
    Action.CANCEL: CANCELLABLE,
    Action.RETRY: RETRYABLE_STATES,
    Action.PRIORITY: REPRIORITISABLE,
}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation with its actor and reason; `priority` is the new one, `scope` that of a retry.

    Raises SubmissionError, which names the field.
    """

    action: Action
    actor: str
    reason: str
    priority: str | None = None
    scope: str = RetryScope.THIS

    def __post_init__(self) -> None:
        check_reason(self.reason)
        if self.action is Action.PRIORITY:
            check_priority(self.priority)
        elif self.priority is not None:
            raise refused("priority", self.priority, msg("no value: {action} keeps the priority", action=self.action))
        if check_scope(self.scope) is not RetryScope.THIS and self.action is not Action.RETRY:
            raise refused("scope", str(self.scope), msg("no value: only a retry has a scope"))

    @property
    def only_startable(self) -> bool:
        """Returns True if tasks whose parents keep them from starting are left out."""
        return self.action is Action.RETRY and self.scope == RetryScope.THIS

    def narrowed(self, only: TaskFilter) -> TaskFilter:
        """Returns the filter limited to states that allow this; raises SubmissionError if none of its states does."""
        allowed = ALLOWED_STATES[self.action]
        states = tuple(state for state in TaskState if state in allowed and state in (only.states or allowed))
        if not states:
            names = either(state for state in TaskState if state in allowed)
            raise refused(
                "states",
                ", ".join(only.states),
                msg("{states}, the only states that allow {action}", states=names, action=self.action),
            )
        if self.action is not Action.PRIORITY:
            return replace(only, states=states)
        level = Priority(check_priority(self.priority))
        others = tuple(other for other in Priority if other is not level and other in (only.priorities or Priority))
        if not others:
            raise refused("priorities", level.label, msg("a different priority from the new one"))
        return replace(only, states=states, priorities=others)


def check_reason(reason: object) -> str:
    """Returns the reason of an operation on many tasks; raises SubmissionError if it is missing."""
    if reason in (None, ""):
        raise required("reason", msg("1 to {limit} characters", limit=MAX_REASON_LENGTH))
    if not isinstance(reason, str) or not reason.strip() or len(reason) > MAX_REASON_LENGTH or "\x00" in reason:
        raise refused("reason", reason, msg("a reason of 1 to {limit} characters", limit=MAX_REASON_LENGTH))
    return reason
