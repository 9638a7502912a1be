"""Watches how the page Workflows draws a workflow, all the time, and compares each drawing with its rows."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

from taskyard.core.access.identity import local_actor
from taskyard.core.edges import Condition
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import workflows
from taskyard.core.states import TERMINAL, TaskState
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views.workflow_forecast import forecast_of
from taskyard.core.workflows.states import OPEN
from taskyard.dashboard.pages.workflows import data
from taskyard.dashboard.pages.workflows.data import Detail, Drawn, Now
from taskyard.dashboard.pages.workflows.graph_figure import figure_of
from taskyard.dashboard.pages.workflows.shapes import looks_of

MET_BY = {
    Condition.COMPLETED: {TaskState.COMPLETED},
    Condition.FAILED: {TaskState.FAILED},
    Condition.ENDED: TERMINAL,
}
CONTEXT_LOG = "streamlit.runtime.scriptrunner_utils.script_run_context"
Rows = dict[str, tuple[TaskState, int]]  # state and attempt by task


class Watcher:
    """Draws a workflow again and again in a thread of its own, until `stop`; `problems` is what was drawn wrongly."""

    def __init__(self, database: Database, workflow_id: str) -> None:
        self.drawings = 0
        self.seen: Counter[str] = Counter()
        self.problems: list[str] = []
        self._database = database
        self._servers = cast(Servers, SimpleNamespace(database=database))
        self._id = workflow_id
        self._last: Detail | None = None
        self._stop = threading.Event()
        logging.getLogger(CONTEXT_LOG).disabled = True  # that there is no page around it
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            with suppress(Unavailable):  # the page says so then
                before = self._rows()
                detail, drawn = self._draw()
                after = self._rows()
                self.drawings += 1
                self.seen.update({detail.now.workflow.state.value})
                self.problems += self._wrong(detail, drawn, before, after)
                self._last = detail
            self._stop.wait(0.02)

    def _rows(self) -> Rows:
        """The oracle: one statement, so one moment."""
        sql = "SELECT id, state, attempt FROM tasks WHERE workflow_id = %(id)s"
        with self._database.transaction() as tx:
            return {id_: (TaskState(state), attempt) for id_, state, attempt in tx.rows(sql, {"id": self._id})}

    def _draw(self) -> tuple[Detail, Drawn]:
        """What the page reads, without the caches that viewers share."""
        now: Now = _read(data.now)(self._servers, local_actor(), self._id)
        drawn: Drawn = _read(data.drawn)(self._servers, local_actor(), self._id)
        nodes = list(now.nodes.values())
        with self._database.transaction() as tx:
            means = workflows.mean_seconds(tx, sorted({node.type for node in nodes}))
        return Detail(now, drawn.drawing, forecast_of(nodes, drawn.edges, means, now.at)), drawn

    def _wrong(self, detail: Detail, drawn: Drawn, before: Rows, after: Rows) -> Iterator[str]:
        now, nodes = detail.now, detail.now.nodes
        for id_, node in nodes.items():
            if before[id_] == after[id_] != (node.state, node.attempt):
                yield f"task {node.key} is drawn as {node.state}, attempt {node.attempt}; it is {after[id_]}"
        yield from _wrong_counts(detail)
        for edge in drawn.edges:
            parent, child = nodes[edge.parent], nodes[edge.child]
            has_started = child.state not in (TaskState.BLOCKED, TaskState.CANCELLED)
            if has_started and parent.state not in MET_BY[edge.condition]:
                yield f"task {child.key} is drawn as {child.state} below {parent.key}, which is {parent.state}"
        edges = {(edge.parent, edge.child) for edge in drawn.edges}
        path = detail.forecast.path
        if not path or not all(pair in edges for pair in pairwise(path)):
            yield f"the critical path is {[nodes[id_].key for id_ in path]}"
        lines = {(line.start, line.end) for line in drawn.drawing.lines}
        shape_of = drawn.drawing.shape_of
        if lines != {(shape_of[parent], shape_of[child]) for parent, child in edges}:
            yield f"{len(lines)} lines are drawn for {len(edges)} edges"
        if (now.workflow.state not in OPEN) != all(node.state in TERMINAL for node in nodes.values()) and (
            now.workflow.state not in OPEN
        ):
            yield f"the workflow is drawn as {now.workflow.state}, and tasks are open"
        yield from self._wrong_progress(now)

    def _wrong_progress(self, now: Now) -> Iterator[str]:
        """Progress falls only if a task runs again that had ended."""
        last = None if self._last is None else self._last.now
        if last is None or now.workflow.progress >= last.workflow.progress - 1e-9:
            return
        again = [
            id_ for id_, node in now.nodes.items() if last.nodes[id_].state in TERMINAL and node.state not in TERMINAL
        ]
        if not again:
            yield f"progress fell from {last.workflow.progress} to {now.workflow.progress}"


def _wrong_counts(detail: Detail) -> Iterator[str]:
    now = detail.now
    states = Counter(node.state.value for node in now.nodes.values())
    for children in now.children.values():
        states.update({str(state): count for state, count in children.items()})
    if dict(states) != dict(now.workflow.counts) or now.workflow.tasks != states.total():
        yield f"{dict(now.workflow.counts)} are counted, {dict(states)} are drawn"
    looks = looks_of(detail.drawing, now)
    if sum((Counter(look.counts) for look in looks), Counter()) != Counter(
        node.state.value for node in now.nodes.values()
    ):
        yield "the shapes' counts are not those of the tasks"
    spec = figure_of(now.workflow.id, detail.drawing, looks, detail.forecast.path, (), now.at)
    told = next(trace for trace in spec["data"] if "customdata" in trace)
    if len(told["customdata"]) != len(detail.drawing.shapes):
        yield "not every shape is drawn"


def _read(reading: Any) -> Any:
    """The function that a shared reading of a page is made of."""
    return reading.__wrapped__
