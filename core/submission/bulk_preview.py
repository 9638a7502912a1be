"""Previews an operation on many tasks on behalf of an actor, and checks beforehand what each batch is checked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from taskyard.core.access.permissions import Permission
from taskyard.core.errors import SubmissionError
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import commands, search
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.search import Matching
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.bulk import preview
from taskyard.core.submission.bulk_operation import ALLOWED_STATES, Action, Operation

PREVIEW_REASON = "preview"  # it writes nothing


@dataclass(frozen=True, slots=True)
class Target:
    """The tasks of an operation: everything that matches `only`, or just the tasks `ids`."""

    only: TaskFilter | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """The number of selected tasks, and of those that the operation would change; lower bounds if not exact."""

    meant: int
    changed: int
    is_exact: bool
    matching: Matching | None = None


def load_preview(
    database: Database, permitted: Authorized, action: Action, target: Target, priority: str | None = None
) -> Preview:
    """Previews an operation; raises SubmissionError, NotPermitted, Busy or Unavailable."""
    operation = Operation(action, permitted.actor.name, PREVIEW_REASON, priority)
    permitted.check_operated(target.ids)
    if action is Action.RETRY:
        check_bulk_retry(database, permitted, operation, target)
    with database.transaction() as tx:
        if target.only is None:
            tasks = tasks_store.tasks_of(tx, target.ids)
            held_back = commands.held_back(tx, target.ids) if action is Action.RETRY else set()
            # one with that priority already is given it again
            changed = sum(task.state in ALLOWED_STATES[action] and task.id not in held_back for task in tasks)
            return Preview(len(target.ids), changed, True)
        meant = search.count_matching(tx, target.only)
        try:
            matching = preview(tx, operation, target.only)
        except SubmissionError:  # the filter asks for none of the states that allow it
            return Preview(meant.count, 0, meant.is_exact)
    return Preview(meant.count, matching.count, meant.is_exact and matching.is_exact, matching)


def check_bulk_retry(database: Database, permitted: Authorized, operation: Operation, target: Target) -> None:
    """Raises NotPermitted if the actor may not retry all of these; batches are checked again."""
    if permitted.actor.may(Permission.CODE_SUBMIT):
        return
    if target.only is None:
        permitted.check_retried(target.ids)
        return
    try:
        meant = operation.narrowed(target.only)
    except SubmissionError:  # it asks for none of the states that allow it
        return
    with database.transaction() as tx:
        types = meant.types or search.facets(tx).types
        guarded = tuple(type_ for type_ in types if permitted.is_guarded(type_))
        for type_ in guarded:
            if search.count_matching(tx, replace(meant, types=(type_,)), at_most=1).count:
                permitted.check_types([type_])
