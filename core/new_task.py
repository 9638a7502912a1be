"""Defines a task that was validated and is not stored yet."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

from taskyard.core.edges import Condition
from taskyard.core.learning.prediction import Predicted
from taskyard.core.payload.same_call import Call


class Given(NamedTuple):
    """What the caller of a submission gave, where the type has something of its own, too."""

    requires: tuple[str, ...]
    has_timeout: bool
    has_max_attempts: bool


class Submission(msgspec.Struct, gc=False):  # a dataclass takes twice as long to make, and a garbage collection to keep
    """A validated task with an id that is not stored yet.

    `input_json` is compact JSON text; `requires` unites the tags of the submission with those of its type; it is
    due at `run_at` (aware UTC) or `delay_seconds` after it is stored, by the database's clock, or at once.
    """

    id: str
    type: str
    queue: str
    title: str | None
    priority: int
    input_json: str
    requires: tuple[str, ...]
    timeout_seconds: float
    max_attempts: int
    run_at: datetime | None
    delay_seconds: float | None
    idempotency_key: str | None
    created_by: str
    creator_agent_id: str | None
    parent_id: str | None
    after: tuple[str, ...]
    when: Condition = Condition.COMPLETED  # the end of `after` that it waits for
    pending_limit: int = 0  # of its creator
    given: Given | None = None  # where there is an idempotency key
    scheduled_for: datetime | None = None  # the fire time for which a schedule submits it
    size: str | None = None  # of its input, as run times are predicted by it
    predicted: Predicted | None = None

    @property
    def call(self) -> Call | None:
        """Returns what the caller gave; None without an idempotency key."""
        if self.given is None:
            return None
        return Call(
            self.type,
            self.input_json,
            self.queue,
            self.title,
            self.priority,
            self.given.requires,
            self.timeout_seconds if self.given.has_timeout else None,
            self.max_attempts if self.given.has_max_attempts else None,
            self.delay_seconds,
            self.run_at,
            self.parent_id,
            self.after,
            self.when,
        )

    @property
    def head_start(self) -> float:
        """Returns its head start in seconds."""
        return 0.0 if self.predicted is None else self.predicted.head_start

    def size_bytes(self) -> int:
        """Returns the approximate memory of its input in bytes."""
        return len(self.input_json)
