"""Implements an operation on many tasks by this host's own connections to PostgreSQL and Redis."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import cached_property

from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store.search import Matching
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.bulk_operation import Operation
from taskyard.core.submission.bulk_preview import Target, load_preview
from taskyard.worker.cli.connections import acting
from taskyard.worker.cli.ports.bulk import Counted, Ended, Progress


class LocalBulk:
    """The tasks of the servers that the settings name; see `BulkPort`."""

    def __init__(self, opened: ExitStack) -> None:
        """Leaves it to `opened` to close what it opens."""
        self._opened = opened

    def preview(self, operation: Operation, only: TaskFilter) -> Counted:
        permitted, database = self._acting
        action, scope = operation.action, operation.scope
        seen = load_preview(database, permitted, action, Target(only), operation.priority, scope=scope)
        as_of = None if seen.matching is None else seen.matching.as_of
        return Counted(seen.meant, seen.changed, seen.is_exact, as_of, seen.besides, seen.again)

    def run(self, operation: Operation, only: TaskFilter, counted: Counted, progress: Progress) -> Ended:
        permitted, _ = self._acting
        signed = replace(operation, actor=permitted.actor.name)
        as_of = counted.as_of
        matching = None if as_of is None else Matching(counted.allowed, counted.is_exact, as_of)
        return Ended(**asdict(permitted.bulk().run_matching(signed, only, matching=matching, progress=progress)))

    @cached_property
    def _acting(self) -> tuple[Authorized, Database]:
        return self._opened.enter_context(acting())
