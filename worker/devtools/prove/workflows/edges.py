"""Checks edges between tasks, inputs that are made of outputs, and outputs, for the count at the end (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from taskyard.core.states import TERMINAL
from taskyard.core.workflows.making import AT, REF, REF_ALL
from taskyard.worker.devtools.prove.workflows.handlers import ASK, NODE, PLAN
from taskyard.worker.devtools.prove.workflows.rows import EdgeRow, NodeRow

MET_BY = {"completed": {"completed"}, "failed": {"failed"}, "ended": {"completed", "failed", "cancelled"}}


class EdgeProblem(NamedTuple):
    """What is wrong with an edge; `is_stuck`: somebody waits for what has ended."""

    text: str
    is_stuck: bool = False


def edge_problems(edges: Sequence[EdgeRow], nodes: Mapping[str, NodeRow]) -> Iterator[EdgeProblem]:
    """Yields what is wrong with edges at the end, when all tasks have ended.

    None is open any more; a parent ended as a met edge says; a completed child has no other ones, and a child that was
    cancelled by nobody has one that can't be met.
    """
    dead: set[str] = set()
    for edge in edges:
        name = f"the edge from {edge.parent} ({edge.parent_state}) to {edge.child} ({edge.child_state})"
        is_meant = edge.parent_state in MET_BY[edge.condition]
        if edge.is_open and TERMINAL.intersection((edge.parent_state, edge.child_state)):
            yield EdgeProblem(f"{name} is open", is_stuck=True)
        if edge.is_met and not is_meant:
            yield EdgeProblem(f"{name} is met, but waits for {edge.condition}")
        if edge.child_state == "completed" and not edge.is_met and edge.kind == "after":
            yield EdgeProblem(f"{name} is not met, and the child completed")
        if not is_meant:
            dead.add(edge.child)
    for node in nodes.values():
        if node.state == "cancelled" and not node.has_error and node.id not in dead:
            yield EdgeProblem(f"task {node.id} ({node.key}) was cancelled by nobody, and all that it waits for was met")


def input_problem(node: NodeRow, nodes: Mapping[str, NodeRow]) -> str:
    """Returns what is wrong with an input that was made of the outputs of these tasks, by key; "" if nothing is."""
    if node.template is None:
        return ""
    wanted = _resolved(node.template, nodes)
    return "" if node.input == wanted else f"its input is {node.input}, by its parents' outputs {wanted}"


def made_problem(node: NodeRow, inner: Mapping[str, str]) -> str:
    """Returns what is wrong with the output of a completed task; "" if nothing is.

    `inner` has the ids of the workflows that handlers submitted, by the handlers' tasks.
    """
    if node.type not in (NODE, ASK, PLAN):
        return ""
    made = node.output or {}
    if (made.get("task_id"), made.get("attempt")) != (node.id, node.attempt):
        return f"its output is of {made.get('task_id')}, attempt {made.get('attempt')}, not of attempt {node.attempt}"
    given = [node.input.get("one") or {"total": 0}, *(node.input.get("parts") or [])]
    own = 0 if node.type == ASK else node.input.get("number", 1)
    total = own + sum(one["total"] for one in given)
    if made["total"] != total:
        return f"its total is {made['total']}, of its input {total}"
    if node.type == PLAN and made["workflow_id"] != inner.get(node.id):
        return f"it says that it submitted workflow {made['workflow_id']}, not {inner.get(node.id)}"
    return ""


def _resolved(value: Any, nodes: Mapping[str, NodeRow]) -> Any:
    """Returns a template with its references replaced; written anew here, to find faults in the other one."""
    if isinstance(value, list):
        return [_resolved(part, nodes) for part in value]
    if not isinstance(value, dict):
        return value
    if REF_ALL in value:
        prefix = f"{value[REF_ALL]}/"
        members = [key for key in nodes if key.startswith(prefix)]
        return [nodes[key].output for key in sorted(members, key=lambda key: int(key.removeprefix(prefix)))]
    if REF in value:
        found = nodes[value[REF]].output
        for token in value.get(AT, "").split("/")[1:]:
            found = found[int(token)] if isinstance(found, list) else found[token]
        return found
    return {name: _resolved(part, nodes) for name, part in value.items()}
