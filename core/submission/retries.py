"""Retries tasks that belong to others, with what comes after them: a plan, its rows locked, the plan once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from taskyard.core.edges import RetryScope
from taskyard.core.errors import Busy, IllegalTransition, TaskNotFound, TaskyardError
from taskyard.core.i18n import msg
from taskyard.core.postgres.database import Database, Transaction
from taskyard.core.postgres.store import retries, tasks
from taskyard.core.postgres.store.commands import needs_parent
from taskyard.core.postgres.store.retries import Retried
from taskyard.core.retry_outcome import MAX_LISTED, LeftOut, RetryPreview, RunAgain
from taskyard.core.scheduling.retry_scope import MAX_TASKS, Again, Edge, Graph, Node, Plan, Refusal, plan
from taskyard.core.states import RETRYABLE_STATES

TRIES = 5  # while tasks are added or change between the plan and its locks
Kinds = set[tuple[str, str]]  # (queue, type)
Check = Callable[[Kinds], object]  # raises NotPermitted


class Planned(NamedTuple):
    """A plan, and what it was made of."""

    graph: Graph
    plan: Plan

    @property
    def kinds(self) -> Kinds:
        """Returns the queues and types of the tasks that run again."""
        nodes = (self.graph.tasks[task.id] for task in self.plan.tasks)
        return {(node.queue, node.type) for node in nodes}


class Done(NamedTuple):
    """A plan that was carried out, and what the queue is to be told."""

    plan: Plan
    retried: Retried


def planned(tx: Transaction, starts: Sequence[str], scope: RetryScope) -> Planned | None:
    """Returns what a retry of these tasks together would do; None: more than MAX_TASKS would run again."""
    graph = retries.load(tx, starts, scope)
    return None if graph is None else Planned(graph, plan(graph, starts, scope))


def preview(tx: Transaction, task_id: str, scope: RetryScope, check: Check) -> RetryPreview:
    """Returns what a retry of one task would do; raises TaskNotFound, IllegalTransition or NotPermitted."""
    found = planned(tx, [task_id], scope)
    if found is None:
        raise too_many(tx, task_id)
    if found.plan.refused:
        raise refusal_error(task_id, found.plan.refused[task_id])
    check(found.kinds)
    return _preview(found, retries.count_cancelled_below(tx, task_id) if scope is RetryScope.THIS else 0)


def preview_together(tx: Transaction, task_ids: Sequence[str]) -> RetryPreview | None:
    """Returns what a retry of tasks with all that come after them would do; None: more than MAX_TASKS would run again.

    Those that can't be retried are left out.
    """
    found = planned(tx, task_ids, RetryScope.DOWNSTREAM)
    return None if found is None else _preview(found, 0)


def _preview(found: Planned, cancelled_below: int) -> RetryPreview:
    nodes, again = found.graph.tasks, run_again(found)
    left_out = [_left_out(nodes[id_], edge) for id_, edge in found.plan.left_out.items()]
    return RetryPreview(len(again), again[:MAX_LISTED], len(left_out), tuple(left_out[:MAX_LISTED]), cancelled_below)


def run_again(found: Planned) -> tuple[RunAgain, ...]:
    """Returns the tasks of a plan as they are shown."""
    nodes = found.graph.tasks
    return tuple(_run_again(nodes[task.id], task) for task in found.plan.again)


def retry_together(
    database: Database, starts: Sequence[str], scope: RetryScope, check: Check, *, actor: str, reason: str
) -> Done | None:
    """Retries tasks in one transaction, without those that can't be; None: too many would run again.

    Tasks that are added, or change, until all are locked are planned for once more. Raises NotPermitted, Busy or
    Unavailable; nothing is changed then.
    """
    for _ in range(TRIES):
        with database.transaction() as tx:
            first = planned(tx, starts, scope)
            if first is None:
                return None
            check(first.kinds)
            retries.lock(tx, first.plan)
            found = planned(tx, starts, scope)
            if found is None:
                return None
            if not found.plan.locked <= first.plan.locked:
                continue
            if found.kinds != first.kinds:
                check(found.kinds)
            return Done(found.plan, retries.apply(tx, found.graph, found.plan, scope, actor, reason))
    raise Busy(msg("the tasks below are changing all the time: try again"))


def too_many(tx: Transaction, task_id: str) -> TaskyardError:
    """Returns the error for a task below which there is too much."""
    needs = msg("more than {limit} tasks come after it: retry parts of them", limit=MAX_TASKS)
    return IllegalTransition(task_id, tasks.get_task(tx, task_id).state, needs)


def refusal_error(start: str, refusal: Refusal) -> TaskyardError:
    """Returns the error that says why a task can't be retried."""
    id_, state, edge = refusal
    if state is None:
        return TaskNotFound(id_)
    if edge is not None:
        return IllegalTransition(id_, state, needs_parent(edge.parent_id, edge.parent_state, edge.condition))
    if state not in RETRYABLE_STATES and id_ == start:
        return IllegalTransition(id_, state, msg("only failed or cancelled tasks can be retried"))
    needs = msg("it comes after task {start} and would run again: cancel it, or wait until it has ended", start=start)
    return IllegalTransition(id_, state, needs)


def _run_again(node: Node, task: Again) -> RunAgain:
    return RunAgain(node.id, node.type, node.title, task.now, task.then, node.key)


def _left_out(node: Node, edge: Edge) -> LeftOut:
    return LeftOut(node.id, node.type, node.title, node.state, edge.parent_id, edge.parent_state, node.key)
