"""Plans a retry of tasks that belong to others: which tasks run again, and which edges are open again (pure).

A task that runs again makes all that were submitted to start after it run again, too, as far as nothing else keeps
them from starting. What has to wait for one that runs again becomes blocked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from taskyard.core.edges import Condition, RetryScope, is_met
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.states import CLAIMED, RETRYABLE_STATES, TaskState

MAX_TASKS = 10_000  # that run again together: one transaction
MAX_EDGES = 200_000
BUSY = CLAIMED | {TaskState.SUSPENDED}


def check_scope(value: object) -> RetryScope:
    """Returns the scope of a retry; raises SubmissionError."""
    if not isinstance(value, str) or value not in set(RetryScope):
        raise refused("scope", value, msg("one of {names}", names=", ".join(RetryScope)))
    return RetryScope(value)


class Node(NamedTuple):
    """What a plan needs to know of a task. `is_due_later`: it was submitted for a time that is still ahead.

    `has_input`: its input is made of outputs of its parents; `lacks_input`: and that has not been done yet.
    """

    id: str
    state: TaskState
    type: str
    queue: str
    title: str | None = None
    workflow_id: str | None = None
    is_due_later: bool = False
    has_input: bool = False
    lacks_input: bool = False
    key: str | None = None  # in its workflow


class Edge(NamedTuple):
    """What a child was submitted to start after; a parent without a state no longer exists."""

    parent_id: str
    child_id: str
    condition: Condition
    is_open: bool
    is_met: bool
    parent_state: TaskState | None

    @property
    def is_dead(self) -> bool:
        """Returns True if the child can't start unless its parent runs again."""
        if self.is_met:
            return False
        return self.parent_state is None or is_met(self.condition, self.parent_state) is False

    @property
    def is_settled(self) -> bool:
        """Returns True if the child need not wait for this parent."""
        return self.is_met or (self.parent_state is not None and is_met(self.condition, self.parent_state) is True)


@dataclass(frozen=True)
class Graph:
    """Tasks, and all edges that lead to them."""

    tasks: Mapping[str, Node]
    edges: Sequence[Edge]

    @cached_property
    def before(self) -> dict[str, list[Edge]]:
        """Returns the edges that lead to each task."""
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.child_id, []).append(edge)
        return found

    @cached_property
    def after(self) -> dict[str, list[str]]:
        """Returns the children of each task."""
        found: dict[str, list[str]] = {}
        for edge in self.edges:
            if edge.child_id in self.tasks:
                found.setdefault(edge.parent_id, []).append(edge.child_id)
        return found


class Again(NamedTuple):
    """A task that runs again, and the one for whose sake; its state now and then, and how many parents it waits for.

    `waiting_on` counts its input, too, if that is to be made of outputs.
    """

    id: str
    start: str
    now: TaskState
    then: TaskState
    parents: int
    waiting_on: int


class Refusal(NamedTuple):
    """Why a task can't be retried: its own state, or with `edge` a parent of `task_id`, or a busy task below it.

    Without a state the task does not exist.
    """

    task_id: str
    state: TaskState | None
    edge: Edge | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a retry does. `tasks` run again, parents before their children; blocked ones that go on waiting, for no
    task more than now, are not among them, but in `kept`. `refused` has the starts that can't be retried, `left_out`
    the tasks below that stay as they are since another parent keeps them from starting.
    """

    tasks: tuple[Again, ...] = ()
    kept: tuple[str, ...] = ()
    opened: tuple[tuple[str, str], ...] = ()  # (parent, child)
    met: tuple[tuple[str, str], ...] = ()
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    left_out: Mapping[str, Edge] = field(default_factory=dict)

    @property
    def again(self) -> list[Again]:
        """Returns the tasks whose states change; of blocked ones only more is waited for."""
        return [task for task in self.tasks if task.now is not TaskState.BLOCKED]

    @property
    def locked(self) -> set[str]:
        """Returns the tasks that must not change until this is done."""
        return {*self.kept, *(task.id for task in self.tasks)}


def plan(graph: Graph, starts: Iterable[str], scope: RetryScope) -> Plan:
    """Returns the plan for retrying these tasks together; those that can't be are refused, without the others."""
    refused: dict[str, Refusal] = {}
    active: list[str] = []
    for start in dict.fromkeys(starts):
        node = graph.tasks.get(start)
        if node is None or node.state not in RETRYABLE_STATES:
            refused[start] = Refusal(start, None if node is None else node.state)
        else:
            active.append(start)
    while True:
        run = _Run(graph, active, scope)
        if not run.refused:
            return run.plan(refused)
        refused |= run.refused
        active = [start for start in active if start not in run.refused]


class _Run:
    """The tasks that run again if all of some tasks are retried."""

    def __init__(self, graph: Graph, starts: Sequence[str], scope: RetryScope) -> None:
        self._graph = graph
        self._scope = scope
        self._starts = set(starts)
        self._origins = (
            self._with_ancestors(starts) if scope is RetryScope.CHAIN else {start: start for start in starts}
        )
        self._run: dict[str, str] = {}  # with the start that each runs again for
        self._left_out: dict[str, Edge] = {}
        self.refused: dict[str, Refusal] = {}
        for task_id in self._origins if scope is RetryScope.THIS else self._in_order():
            self._decide(task_id)

    def plan(self, refused: Mapping[str, Refusal]) -> Plan:
        """Returns the plan."""
        tasks: list[Again] = []
        kept: list[str] = []
        opened: list[tuple[str, str]] = []
        met: list[tuple[str, str]] = []
        for task_id, start in self._run.items():
            node = self._graph.tasks[task_id]
            edges = self._graph.before.get(task_id, ())
            awaited = [edge for edge in edges if edge.is_open or self._waits_for(edge)]
            opens = [(edge.parent_id, task_id) for edge in awaited if not edge.is_open]
            if node.state is TaskState.BLOCKED and not opens:
                kept.append(task_id)
                continue
            opened += opens
            met += [(e.parent_id, task_id) for e in edges if not (e.is_open or e.is_met or self._waits_for(e))]
            count = len(awaited)
            waiting_on = count + node.has_input if count else int(node.lacks_input)
            tasks.append(Again(task_id, start, node.state, _then(node, count), count, waiting_on))
        return Plan(tuple(tasks), tuple(kept), tuple(opened), tuple(met), refused, self._left_out)

    # ours

    def _waits_for(self, edge: Edge) -> bool:
        """Returns True if a child that runs again has to wait for this parent."""
        return (edge.parent_id in self._run and self._scope is not RetryScope.THIS) or not edge.is_settled

    def _with_ancestors(self, starts: Sequence[str]) -> dict[str, str]:
        """Returns the starts and the failed and cancelled tasks that keep them from starting, each with its start."""
        found = {start: start for start in starts}
        queue = deque(starts)
        while queue:
            task_id = queue.popleft()
            for edge in self._graph.before.get(task_id, ()):
                is_first = edge.is_dead and edge.parent_state in RETRYABLE_STATES
                if is_first and edge.parent_id in self._graph.tasks and edge.parent_id not in found:
                    found[edge.parent_id] = found[task_id]
                    queue.append(edge.parent_id)
        return found

    def _in_order(self) -> list[str]:
        """Returns all tasks below, and the first ones themselves, parents before their children."""
        reached = dict.fromkeys(self._origins)
        queue = deque(reached)
        while queue:
            for child in self._graph.after.get(queue.popleft(), ()):
                if child not in reached:
                    reached[child] = None
                    queue.append(child)
        before = self._graph.before
        waits = {id_: sum(edge.parent_id in reached for edge in before.get(id_, ())) for id_ in reached}
        queue = deque(task_id for task_id, count in waits.items() if count == 0)
        order = []
        while queue:
            task_id = queue.popleft()
            order.append(task_id)
            for child in self._graph.after.get(task_id, ()):
                waits[child] -= 1
                if waits[child] == 0:
                    queue.append(child)
        return order

    def _decide(self, task_id: str) -> None:
        """Makes a task run again, leaves it out, or refuses the starts that would make it run again."""
        node, edges = self._graph.tasks[task_id], self._graph.before.get(task_id, ())
        first = next((edge.parent_id for edge in edges if edge.parent_id in self._run), None)
        is_first = task_id in self._origins
        if not is_first and (first is None or self._scope is RetryScope.THIS):
            if dead := next((edge for edge in edges if edge.parent_id in self._left_out and edge.is_dead), None):
                self._left_out[task_id] = dead
            return
        others = [edge for edge in edges if self._scope is RetryScope.THIS or edge.parent_id not in self._run]
        dead = next((edge for edge in others if edge.is_dead), None)
        if dead is None and self._scope is RetryScope.THIS:
            dead = next((edge for edge in others if not edge.is_settled), None)
        if dead is not None and not is_first:
            self._left_out[task_id] = dead
        elif dead is not None:
            self._refuse([task_id], Refusal(task_id, node.state, dead))
        elif node.state in BUSY:
            self._refuse(self._firsts_above(task_id), Refusal(task_id, node.state))
        elif is_first:
            self._run[task_id] = self._origins[task_id]
        elif first is not None:
            self._run[task_id] = self._run[first]

    def _firsts_above(self, task_id: str) -> list[str]:
        """Returns the first ones of those that make a task run again."""
        seen = {task_id}
        queue = deque(seen)
        while queue:
            for edge in self._graph.before.get(queue.popleft(), ()):
                if edge.parent_id in self._run and edge.parent_id not in seen:
                    seen.add(edge.parent_id)
                    queue.append(edge.parent_id)
        return [one for one in seen if one in self._origins]

    def _refuse(self, firsts: Iterable[str], refusal: Refusal) -> None:
        """Refuses the starts for whose sake these would run again."""
        seen = set(firsts)
        queue = deque(seen)
        while queue:
            task_id = queue.popleft()
            if task_id in self._starts:
                self.refused.setdefault(task_id, refusal)
            for child in self._graph.after.get(task_id, ()):
                if child in self._origins and child not in seen and self._is_dead(task_id, child):
                    seen.add(child)
                    queue.append(child)

    def _is_dead(self, parent_id: str, child_id: str) -> bool:
        return any(edge.parent_id == parent_id and edge.is_dead for edge in self._graph.before[child_id])


def _then(node: Node, parents: int) -> TaskState:
    if parents or node.lacks_input:
        return TaskState.BLOCKED
    return TaskState.SCHEDULED if node.is_due_later else TaskState.PENDING
