"""Loads what a plan for retrying tasks that belong to others needs, and carries such a plan out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from taskyard.core.edges import Condition, RetryScope
from taskyard.core.errors import Busy
from taskyard.core.i18n import msg
from taskyard.core.models import Waiting
from taskyard.core.postgres.arrays import plain
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import commands
from taskyard.core.scheduling.retry_scope import MAX_EDGES, MAX_TASKS, Edge, Graph, Node, Plan
from taskyard.core.states import TaskState


class Retried(NamedTuple):
    """What waits for an agent now, what no longer does, and which tasks wait for others that do not run again."""

    waiting: list[Waiting]
    unqueued: list[Waiting]
    blocked: list[str]


def load(tx: Transaction, starts: Sequence[str], scope: RetryScope) -> Graph | None:
    """Returns the tasks that a retry may make run again, with their edges; None: there are too many."""
    ids = list(dict.fromkeys(starts))
    if scope is RetryScope.CHAIN:
        ids = _ids(tx, queries("retries")["above"], ids)
    if scope is not RetryScope.THIS and len(ids) <= MAX_TASKS:
        ids = _ids(tx, queries("retries")["below"], ids)
    if len(ids) > MAX_TASKS:
        return None
    rows = tx.rows(queries("retries")["edges"], {"ids": plain(ids), "limit": MAX_EDGES + 1})
    if len(rows) > MAX_EDGES:
        return None
    edges = [
        Edge(parent, child, Condition(condition), is_open, is_met, None if state is None else TaskState(state))
        for parent, child, condition, is_open, is_met, state in sorted(rows)
    ]
    nodes = (Node(*row) for row in tx.rows(queries("retries")["nodes"], {"ids": plain(ids)}))
    return Graph({node.id: node._replace(state=TaskState(node.state)) for node in nodes}, edges)


def lock(tx: Transaction, plan: Plan) -> None:
    """Locks the tasks of a plan until the end of the transaction."""
    tx.rows(queries("retries")["lock"], {"ids": plain(sorted(plan.locked))})


def apply(tx: Transaction, graph: Graph, plan: Plan, scope: RetryScope, actor: str, reason: str) -> Retried:
    """Carries out a plan whose tasks are locked, with their history. Raises Busy if it no longer fits."""
    if plan.opened:
        tx.rows(queries("retries")["open_edges"], _ends(plan.opened))
    if plan.met:
        tx.rows(queries("retries")["meet_edges"], _ends(plan.met))
    later = [task for task in plan.tasks if task.parents]
    first = [task for task in plan.tasks if not task.parents]
    who = {"actor": actor, "reason": reason, "scope": scope.value}
    unqueued: Sequence[tuple[object, ...]] = ()
    if later:
        parameters = {
            "ids": plain(task.id for task in later),
            "starts": plain(task.start for task in later),
            "waiting_on": plain(task.waiting_on for task in later),
        }
        unqueued = tx.rows(queries("retries")["block"], {**who, **parameters})
    waiting = commands.retry_as(tx, [t.id for t in first], actor, reason, scope, [t.start for t in first])
    if len(waiting) != len(first):
        raise Busy(msg("what these tasks wait for is changing now: try again"))
    commands.reopen_workflows(tx, (graph.tasks[task.id].workflow_id for task in later))
    running = {task.id for task in plan.tasks}.union(plan.kept)
    blocked = {task.id for task in later}
    outside = {edge.child_id for edge in graph.edges if edge.child_id in blocked and edge.parent_id not in running}
    return Retried(waiting, [Waiting.from_row(row) for row in unqueued], sorted(outside))


def count_cancelled_below(tx: Transaction, task_id: str) -> int:
    """Returns how many of the tasks that were submitted to start after one, directly or not, are cancelled.

    It looks at the nearest MAX_TASKS.
    """
    rows = tx.rows(queries("retries")["cancelled_below"], {"id": task_id, "limit": MAX_TASKS + 1})
    return int(rows[0][0])


def _ids(tx: Transaction, statement: str, ids: Sequence[str]) -> list[str]:
    return [row[0] for row in tx.rows(statement, {"ids": plain(ids), "limit": MAX_TASKS + 1})]


def _ends(edges: Sequence[tuple[str, str]]) -> dict[str, str]:
    parents, children = zip(*edges, strict=True)
    return {"parents": plain(parents), "children": plain(children)}
