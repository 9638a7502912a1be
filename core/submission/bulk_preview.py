"""Previews an operation on many tasks on behalf of an actor, and checks beforehand what each batch is checked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from taskyard.core.access.permissions import Permission
from taskyard.core.edges import RetryScope
from taskyard.core.errors import SubmissionError
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.ids import time_of
from taskyard.core.models import Task
from taskyard.core.postgres.database import Database, Transaction
from taskyard.core.postgres.store import commands, search
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.search import Matching
from taskyard.core.retry_outcome import RunAgain
from taskyard.core.states import RETRYABLE_STATES
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.bulk import MAX_IDS, preview
from taskyard.core.submission.bulk_operation import ALLOWED_STATES, Action, Operation
from taskyard.core.submission.retry_simulation import foretold

PREVIEW_REASON = "preview"  # it writes nothing
EXAMPLES = 5
LISTING_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Target:
    """The tasks of an operation: everything that matches `only`, or just the tasks `ids`."""

    only: TaskFilter | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """The number of selected tasks, and of those that the operation would change; lower bounds if not exact.

    `ids` are the tasks to change in order of their submission, the first of which is `oldest` and the last `newest`,
    if a caller asked to fix them and they are not too many. `examples` are some of them, spread over all.

    Of a retry with a scope, `besides` counts the tasks that run again besides those (None: too many to foretell), and
    `again` has the first of all that run again, parents first; `ids` has those that can't be retried, too.
    """

    meant: int
    changed: int
    is_exact: bool
    matching: Matching | None = None
    ids: tuple[str, ...] | None = None
    examples: tuple[Task, ...] = ()
    oldest: datetime | None = None
    newest: datetime | None = None
    besides: int | None = 0
    again: tuple[RunAgain, ...] = ()


def load_preview(
    database: Database,
    permitted: Authorized,
    action: Action,
    target: Target,
    priority: str | None = None,
    *,
    scope: str = RetryScope.THIS,
    lists: bool = False,
) -> Preview:
    """Previews an operation; raises SubmissionError, NotPermitted, Busy or Unavailable.

    With `lists` it fixes the tasks, so that exactly these can be changed later.
    """
    operation = Operation(action, permitted.actor.name, PREVIEW_REASON, priority, scope)
    permitted.check_operated(target.ids)
    if action is Action.RETRY:
        check_bulk_retry(database, permitted, operation, target)
    if RetryScope(scope) is not RetryScope.THIS:
        return _with_scope(database, permitted, operation, target, lists=lists)
    with database.transaction() as tx:
        if target.only is None:
            tasks = tasks_store.tasks_of(tx, target.ids)
            held_back = commands.held_back(tx, target.ids) if action is Action.RETRY else set()
            # one with that priority already is given it again
            fit = sorted(t.id for t in tasks if t.state in ALLOWED_STATES[action] and t.id not in held_back)
            seen = Preview(len(target.ids), len(fit), True)
            return _listed(tx, seen, fit) if lists else seen
        meant = search.count_matching(tx, target.only)
        try:
            matching = preview(tx, operation, target.only)
        except SubmissionError:  # the filter asks for none of the states that allow it
            return Preview(meant.count, 0, meant.is_exact)
        seen = Preview(meant.count, matching.count, meant.is_exact and matching.is_exact, matching)
        if not lists or not matching.is_exact or matching.count > MAX_IDS:
            return seen
        ids, is_whole = _ids_of(tx, operation, target.only)
    with database.transaction() as tx:
        return _listed(tx, seen, ids) if is_whole else seen


def _with_scope(
    database: Database, permitted: Authorized, operation: Operation, target: Target, *, lists: bool
) -> Preview:
    """Previews a retry with a scope: what it makes run again is foretold as it is done."""
    scope = RetryScope(operation.scope)
    with database.transaction() as tx:
        if target.only is None:
            tasks = tasks_store.tasks_of(tx, target.ids)
            ids = sorted({task.id for task in tasks if task.state in RETRYABLE_STATES})
            seen, is_whole = Preview(len(target.ids), len(ids), True), True
        else:
            meant = search.count_matching(tx, target.only)
            try:
                matching = preview(tx, operation, target.only)
            except SubmissionError:  # the filter asks for none of the states that allow it
                return Preview(meant.count, 0, meant.is_exact)
            seen = Preview(meant.count, matching.count, meant.is_exact and matching.is_exact, matching, besides=None)
            if not matching.is_exact or matching.count > MAX_IDS:
                return seen
            ids, is_whole = _ids_of(tx, operation, target.only)
    if not is_whole:
        return seen
    with database.transaction() as tx:
        found = foretold(tx, ids, scope, budget_seconds=LISTING_SECONDS)
        listed = _listed(tx, seen, ids) if lists else seen
    permitted.check_kinds(found.kinds)
    exact = seen.is_exact and found.is_whole
    return replace(listed, changed=found.starts, is_exact=exact, besides=found.besides, again=tuple(found.listed))


def _ids_of(tx: Transaction, operation: Operation, only: TaskFilter) -> tuple[list[str], bool]:
    """Returns the ids that an operation would change, oldest first, and whether these are all."""
    ids, position = search.next_ids(
        tx,
        operation.narrowed(only),
        after=None,
        limit=MAX_IDS,
        can_start=operation.only_startable,
        budget_seconds=LISTING_SECONDS,
    )
    return ids, position is None


def _listed(tx: Transaction, seen: Preview, ids: list[str]) -> Preview:
    """Returns a preview with its tasks fixed."""
    if not ids:
        return replace(seen, changed=0, ids=())
    step = max(1, (len(ids) - 1) // (EXAMPLES - 1))
    spread = sorted({*ids[: EXAMPLES * step : step][: EXAMPLES - 1], ids[-1]})
    return replace(
        seen,
        meant=max(seen.meant, len(ids)),
        changed=len(ids),
        ids=tuple(ids),
        examples=tuple(tasks_store.tasks_of(tx, spread)),
        oldest=time_of(ids[0]),
        newest=time_of(ids[-1]),
    )


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
