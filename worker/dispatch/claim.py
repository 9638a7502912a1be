"""Defines a claim as the leader remembers it."""

from __future__ import annotations

from taskyard.core.postgres.store.tick import Claimed
from taskyard.core.protocol import Pair

MAX_KEPT_INPUT_LENGTH = 1_000  # characters


class Claim:
    """A task that an agent has, around the row that its claim returned.

    `ready` is since when the task waited, in epoch seconds. `started` is monotonic seconds and
    `started_at` epoch seconds, None until the agent reported it.
    """

    __slots__ = (
        "agent_id",
        "attempt",
        "expected_seconds",
        "id",
        "input_bytes",
        "is_published",
        "ready",
        "row",
        "second",
        "started",
        "started_at",
    )
    beside = 0  # of a second attempt: the number of the current one

    def __init__(self, row: Claimed, expected_seconds: float, ready: float) -> None:
        self.ready = ready
        self.input_bytes = len(row.input) + len(row.resumed or "")
        # what only the agent needs is not kept while it runs
        self.row = row if self.input_bytes <= MAX_KEPT_INPUT_LENGTH else row._replace(input="", resumed=None)
        self.id = row.id
        self.attempt = row.attempt
        self.agent_id = row.agent_id
        self.expected_seconds = expected_seconds
        self.is_published = False
        self.second: Claim | None = None  # the attempt that runs beside it
        self.started: float | None = None
        self.started_at: float | None = None

    @property
    def pair(self) -> Pair:
        return self.id, self.attempt
