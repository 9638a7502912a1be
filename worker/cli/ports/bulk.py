"""Says what the command on many tasks needs of an installation; see `port`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from taskyard.core.retry_outcome import RunAgain

if TYPE_CHECKING:
    from taskyard.core.filters.search_filter import TaskFilter
    from taskyard.core.submission.bulk_operation import Operation

Progress = Callable[[int, int, int], object]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many tasks match, and how many of them `allowed` it at a time; lower bounds if not exact.

    Of a retry with a scope, how many run again `besides` (None: too many to count), and the first of all.
    """

    matching: int
    allowed: int
    is_exact: bool
    as_of: datetime | None
    besides: int | None = 0
    again: tuple[RunAgain, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of an operation; see core.submission.bulk.BulkResult."""

    id: str
    done: int
    skipped: int
    dependants: int
    is_stopped: bool


class BulkPort(Protocol):
    """An operation on all tasks that match. Both may raise SubmissionError, NotPermitted, Busy and Unavailable."""

    def preview(self, operation: Operation, only: TaskFilter) -> Counted:
        """Counts the tasks that match and those that would change."""

    def run(self, operation: Operation, only: TaskFilter, counted: Counted, progress: Progress) -> Ended:
        """Does it with those that were counted; `progress(done, skipped, total)` is called between batches."""
