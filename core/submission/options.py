"""Lists a task's options besides its type and input, by caller (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from taskyard.core.states import Priority


class SubmitOptions(TypedDict, total=False):
    """What `submit` takes besides type and input, for type checkers; `validate` checks what is really given."""

    title: str | None
    queue: str
    priority: str | Priority
    timeout_seconds: float | None
    max_attempts: int | None
    delay_seconds: float | None
    run_at: datetime | str | None
    requires: Iterable[str]
    idempotency_key: str | None
    created_by: str
    creator_agent_id: str | None
    parent_id: str | None
    after: Iterable[str]
    when: str


_OF_EVERY_TASK = (
    "title",
    "queue",
    "priority",
    "timeout_seconds",
    "max_attempts",
    "delay_seconds",
    "run_at",
    "requires",
)
# Of `Submitter.submit`.
OPTIONS = (*_OF_EVERY_TASK, "idempotency_key", "created_by", "creator_agent_id", "parent_id", "after", "when")
# Of a task that submits a child: creator, parent and key of the child are not among them.
CHILD_OPTIONS = (*_OF_EVERY_TASK, "after", "when")
# Of a task of a workflow, beside its type and input.
NODE_OPTIONS = (*_OF_EVERY_TASK, "after", "when")
# Of a line of a file that the command line submits.
LINE_FIELDS = ("type", "input", *_OF_EVERY_TASK, "idempotency_key", "after", "when", "created_by")
