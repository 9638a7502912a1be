"""Applies one operation to many tasks: a list of them, or everything that matches a filter.

It runs in batches, each in its own transaction, so that a tick never waits long for a row and a stop loses nothing.
Each task is changed like a single one, under the same guard; repeating an operation is harmless.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from taskyard.core.edges import RetryScope
from taskyard.core.errors import Busy, Unavailable
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Database, DriverTransaction
from taskyard.core.postgres.store import commands, search
from taskyard.core.postgres.store.search import Matching
from taskyard.core.submission.bulk_operation import Action, Operation
from taskyard.core.submission.commands import ManyTaskCommands, check_task_ids

BATCH_SIZE = 500
MAX_IDS = 100_000
TRIES = 5  # retries of a batch after a deadlock
PAUSE_SECONDS = 0.05


ProgressCallback = Callable[[int, int, int], object]


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The result of a bulk operation.

    Counts tasks `done`, `skipped` because of their states or parents, and `dependants` changed besides: cancelled
    because they waited for one of them, or run again by the scope of a retry; `is_stopped` if it ended before all were
    done.
    """

    id: str
    done: int
    skipped: int
    dependants: int
    is_stopped: bool


class _Changed(NamedTuple):
    """What became of one batch: how many tasks and dependants were changed, and which tasks run again besides."""

    done: int
    dependants: int = 0
    besides: Sequence[str] = ()


def preview(tx: DriverTransaction, operation: Operation, only: TaskFilter, *, budget_seconds: float = 2.0) -> Matching:
    """Counts the tasks that `run_matching` would change; raises SubmissionError, Busy or Unavailable."""
    narrowed, can_start = operation.narrowed(only), operation.only_startable
    return search.count_matching(tx, narrowed, can_start=can_start, budget_seconds=budget_seconds)


class Bulk:
    """Runs operations on many tasks."""

    def __init__(self, database: Database, commands: ManyTaskCommands) -> None:
        self._database = database
        self._commands = commands

    def run_matching(
        self,
        operation: Operation,
        only: TaskFilter,
        *,
        matching: Matching | None = None,
        progress: ProgressCallback | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        at_most: int | None = None,
    ) -> BulkResult:
        """Applies the operation to everything that matches, except tasks submitted after the preview `matching`, and
        with `at_most` only to that many of the oldest.

        `progress(done, skipped, total)` and `should_stop()` are called between batches; total is the count from the
        preview. Raises SubmissionError, Busy or Unavailable.
        """
        narrowed = operation.narrowed(only)
        if matching is None:
            with self._database.transaction() as tx:
                matching = preview(tx, operation, only)
        fixed = _fixed(narrowed, matching.as_of)
        target = {"filter": fixed.as_json()}
        batches = _first(self._matching(fixed, operation), at_most)
        return self._run(operation, batches, target, matching.count, progress, should_stop)

    def run_listed(
        self,
        operation: Operation,
        task_ids: Sequence[str],
        *,
        progress: ProgressCallback | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        found_by: TaskFilter | None = None,
    ) -> BulkResult:
        """Applies the operation to these tasks and skips those that don't exist.

        The audit log also names the filter that they were `found_by`. Raises SubmissionError, Busy or Unavailable.
        """
        if len(task_ids) > MAX_IDS:
            raise refused("tasks", len(task_ids), msg("at most {limit} ids: use a filter for more", limit=MAX_IDS))
        ids = sorted(set(check_task_ids(task_ids)))
        batches = (ids[start : start + BATCH_SIZE] for start in range(0, len(ids), BATCH_SIZE))
        target = {"tasks": len(ids)} if found_by is None else {"tasks": len(ids), "filter": found_by.as_json()}
        return self._run(operation, batches, target, len(ids), progress, should_stop)

    # ours

    def _matching(self, only: TaskFilter, operation: Operation) -> Iterator[list[str]]:
        """Yields ids in batches, oldest first; an empty batch while none is found for a while."""
        can_start = operation.only_startable
        position = None
        while True:
            with self._database.transaction() as tx:
                ids, position = search.next_ids(tx, only, after=position, limit=BATCH_SIZE, can_start=can_start)
            yield ids
            if position is None:
                return

    def _run(
        self,
        operation: Operation,
        batches: Iterator[list[str]],
        target: dict[str, Any],
        total: int,
        progress: ProgressCallback | None,
        should_stop: Callable[[], bool],
    ) -> BulkResult:
        counts = {"done": 0, "skipped": 0, "dependants": 0}
        besides: set[str] = set()
        detail = {"bulk": str(uuid.uuid4()), "action": operation.action.value, "priority": operation.priority, **target}
        detail |= {"reason": operation.reason}
        if operation.action is Action.RETRY and operation.scope != RetryScope.THIS:
            detail["scope"] = operation.scope
        self._note("bulk_started", operation.actor, {**detail, "total": total})
        ended = "completed"
        try:
            for ids in batches:
                if ids:
                    found = self._change(operation, [id_ for id_ in ids if id_ not in besides])
                    known = len(besides.intersection(ids))  # changed by an earlier batch already
                    counts["done"] += found.done + known
                    counts["skipped"] += len(ids) - found.done - known
                    counts["dependants"] += found.dependants + len(besides.union(found.besides)) - len(besides) - known
                    besides.update(found.besides)
                if progress is not None:
                    progress(counts["done"], counts["skipped"], total)
                if should_stop():
                    ended = "stopped"
                    break
        except BaseException:
            with suppress(Unavailable):  # the caller must see the error that ended it
                self._note("bulk_finished", operation.actor, {**detail, **counts, "ended": "interrupted"})
            raise
        self._note("bulk_finished", operation.actor, {**detail, **counts, "ended": ended})
        return BulkResult(str(detail["bulk"]), **counts, is_stopped=ended == "stopped")

    def _change(self, operation: Operation, ids: list[str]) -> _Changed:
        """Changes one batch; retries after a deadlock."""
        for _ in range(TRIES - 1):
            try:
                return self._change_once(operation, ids)
            except Busy as error:
                if error.is_locked:  # a lock that was waited for already
                    raise
            time.sleep(PAUSE_SECONDS)
        return self._change_once(operation, ids)

    def _change_once(self, operation: Operation, ids: list[str]) -> _Changed:
        who = {"actor": operation.actor, "reason": operation.reason}
        if operation.action is Action.CANCEL:
            return _Changed(*self._commands.cancel_many(ids, **who))
        if operation.action is Action.RETRY:
            done, besides = self._commands.retry_many(ids, **who, scope=operation.scope)
            return _Changed(done, besides=besides)
        return _Changed(self._commands.reprioritise_many(ids, str(operation.priority), **who))

    def _note(self, event: str, actor: str, detail: dict[str, Any]) -> None:
        with self._database.transaction() as tx:
            commands.note_bulk(tx, event, actor, {name: value for name, value in detail.items() if value is not None})


def _first(batches: Iterator[list[str]], at_most: int | None) -> Iterator[list[str]]:
    """Yields batches until they have had `at_most` ids."""
    left = at_most
    for ids in batches:
        yield ids if left is None else ids[:left]
        if left is not None:
            left -= len(ids)
            if left <= 0:
                return


def _fixed(only: TaskFilter, as_of: datetime) -> TaskFilter:
    """Returns the filter with its ages as times, without anything submitted after `as_of`."""
    since, until = only.span(as_of)
    ended_since, ended_until = only.ended_span(as_of)
    until = min(until or as_of, as_of)
    return replace(only, since=since, until=until, ended_since=ended_since, ended_until=ended_until)
