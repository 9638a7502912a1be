"""Foretells what a retry of many tasks with a scope does, batch by batch as it is done; nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from taskyard.core.edges import RetryScope
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import retries
from taskyard.core.retry_outcome import MAX_LISTED, RunAgain
from taskyard.core.scheduling.retry_scope import Graph, plan
from taskyard.core.states import TaskState
from taskyard.core.submission.bulk import BATCH_SIZE
from taskyard.core.submission.retries import Kinds, Planned, run_again


@dataclass(slots=True)
class Foretold:
    """The tasks that run again: how many of the starts, and how many besides; the first of both; their kinds.

    `is_whole` is False if the time was up before the last batch.
    """

    starts: int = 0
    besides: int = 0
    listed: list[RunAgain] = field(default_factory=list)
    kinds: Kinds = field(default_factory=set)
    is_whole: bool = True


class _Simulation:
    """Tasks that earlier batches make run again, with their states and edges after that."""

    def __init__(self, tx: Transaction, scope: RetryScope, starts: Sequence[str]) -> None:
        self._tx = tx
        self._scope = scope
        self._starts = frozenset(starts)
        self._then: dict[str, TaskState] = {}
        self._opened: set[tuple[str, str]] = set()
        self.found = Foretold()

    def add(self, ids: Sequence[str]) -> None:
        """Foretells one batch; if too many would run again, half of it, and then the other half."""
        rest = [id_ for id_ in ids if id_ not in self._then]
        if not rest:
            return
        loaded = retries.load(self._tx, rest, self._scope)
        if loaded is not None:
            graph = self._as_changed(loaded)
            self._note(Planned(graph, plan(graph, rest, self._scope)))
        elif len(rest) > 1:
            self.add(rest[: len(rest) // 2])
            self.add(rest[len(rest) // 2 :])

    def _note(self, planned: Planned) -> None:
        self._then.update((task.id, task.then) for task in planned.plan.tasks)
        self._opened.update(planned.plan.opened)
        again = run_again(planned)
        starts = sum(task.id in self._starts for task in again)
        self.found.starts += starts
        self.found.besides += len(again) - starts
        self.found.listed += again[: MAX_LISTED - len(self.found.listed)]
        self.found.kinds |= planned.kinds

    def _as_changed(self, graph: Graph) -> Graph:
        then, opened = self._then, self._opened
        tasks = {id_: node._replace(state=then.get(id_, node.state)) for id_, node in graph.tasks.items()}
        edges = [
            edge._replace(
                parent_state=then.get(edge.parent_id, edge.parent_state),
                is_open=edge.is_open or (edge.parent_id, edge.child_id) in opened,
                is_met=edge.is_met and (edge.parent_id, edge.child_id) not in opened,
            )
            for edge in graph.edges
        ]
        return Graph(tasks, edges)


def foretold(tx: Transaction, ids: Sequence[str], scope: RetryScope, *, budget_seconds: float) -> Foretold:
    """Returns what a retry of these tasks, in this order, makes run again, as far as it is known in this time."""
    simulation = _Simulation(tx, scope, ids)
    give_up_at = time.monotonic() + budget_seconds
    for first in range(0, len(ids), BATCH_SIZE):
        if time.monotonic() > give_up_at:
            simulation.found.is_whole = False
            break
        simulation.add(ids[first : first + BATCH_SIZE])
    return simulation.found
