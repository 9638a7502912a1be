"""Decides what became of workflows and questions: pure arithmetic on rows, and on what was accepted and executed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taskyard.core.states import TERMINAL
from taskyard.worker.devtools.prove.workflows import plan
from taskyard.worker.devtools.prove.workflows.edges import edge_problems, input_problem, made_problem
from taskyard.worker.devtools.prove.workflows.questions import judge_questions
from taskyard.worker.devtools.prove.workflows.rows import NodeRow, Rows, WorkflowRow

COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"


@dataclass(slots=True)
class WorkflowVerdict:
    """What became of workflows and questions. The lists say what is wrong, a line each; all must be empty."""

    accepted: int = 0
    ends: Mapping[str, int] = field(default_factory=dict)
    nodes: int = 0
    retried: int = 0
    edges: int = 0
    made_inputs: int = 0
    by_handlers: int = 0
    questions: Mapping[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_kept(self) -> bool:
        return not (self.lost or self.stuck or self.twice or self.wrong)


def judge_workflows(
    accepted: Mapping[str, Mapping[str, Any]],
    rows: Rows,
    ledger: Iterable[Sequence[object]],
    answers: Iterable[Sequence[Any]] = (),
) -> WorkflowVerdict:
    """Compares what was accepted, by id of the workflow, with the rows, and these with each other.

    `accepted` has of each its manner and the ids of its tasks; `is_cancelled` if its cancellation was accepted, and
    `is_disturbed` if somebody did to it what its manner does not tell. `ledger`: (task, attempt, process) of each
    execution; `answers`: (question, person, decision) of each answer that was accepted.
    """
    nodes: dict[str, list[NodeRow]] = {}
    for node in rows.nodes:
        nodes.setdefault(node.workflow, []).append(node)
    verdict = WorkflowVerdict(
        accepted=len(accepted),
        ends=Counter(one.state or "open" for one in rows.workflows),
        nodes=len(rows.nodes),
        retried=sum(node.retries > 0 for node in rows.nodes),
        edges=len(rows.edges),
        made_inputs=sum(node.template is not None and node.state == COMPLETED for node in rows.nodes),
        by_handlers=sum(one.parent is not None for one in rows.workflows),
        questions=Counter(one.state for one in rows.questions),
    )
    _judge_submissions(verdict, accepted, rows)
    for workflow in rows.workflows:
        _judge_end(verdict, workflow, nodes.get(workflow.id, []), accepted.get(workflow.id))
    _judge_nodes(verdict, rows, nodes, ledger)
    for problem in edge_problems(rows.edges, {node.id: node for node in rows.nodes}):
        (verdict.stuck if problem.is_stuck else verdict.wrong).append(problem.text)
    judge_questions(verdict, rows.questions, answers)
    return verdict


def ids_in(tasks: Mapping[str, Any]) -> list[str]:
    """Returns the ids of the tasks of a workflow as its submission returned them: by key, or a list of a group's."""
    return [id_ for one in tasks.values() for id_ in ([one] if isinstance(one, str) else one)]


def _judge_submissions(verdict: WorkflowVerdict, accepted: Mapping[str, Mapping[str, Any]], rows: Rows) -> None:
    """Adds what was accepted and is not there, and what is there twice."""
    stored = {one.id for one in rows.workflows}
    tasks = {node.id for node in rows.nodes}
    for id_, said in accepted.items():
        if id_ not in stored:
            verdict.lost.append(f"workflow {id_}")
        verdict.lost += [f"task {one} of workflow {id_}" for one in ids_in(said["tasks"]) if one not in tasks]
    titles = Counter(one.title for one in rows.workflows if (one.title or "").startswith(plan.TITLE))
    verdict.twice += [f"workflow {title!r} is stored {count} times" for title, count in titles.items() if count > 1]
    inner = Counter(one.parent for one in rows.workflows if one.parent)
    verdict.twice += [f"task {id_} submitted {count} workflows" for id_, count in inner.items() if count > 1]


def _judge_end(
    verdict: WorkflowVerdict, one: WorkflowRow, nodes: Sequence[NodeRow], said: Mapping[str, Any] | None
) -> None:
    """Adds what is wrong with the state and the counts of a workflow, which are recounted from its tasks."""
    if one.state is None:
        what = f"{one.open_tasks} open tasks" if one.open_tasks else "nothing left to run"
        verdict.stuck.append(f"workflow {one.id} ({one.title}) has not ended, with {what}")
        return
    states = Counter(node.state for node in nodes)
    if dict(states) != dict(one.counts or {}):
        verdict.wrong.append(f"workflow {one.id} counts {dict(one.counts or {})}, its tasks are {dict(states)}")
    recounted = _state_of(one, nodes)
    if one.state != recounted:
        verdict.wrong.append(f"workflow {one.id} ({one.title}) is {one.state}, by its tasks {recounted}")
    if said is not None and one.state not in _expected(said):
        verdict.wrong.append(f"workflow {one.id} ({one.title}) is {one.state}, meant was {_expected(said)}")


def _state_of(one: WorkflowRow, nodes: Sequence[NodeRow]) -> str:
    if one.is_cancelled:
        return CANCELLED
    if any(node.state == FAILED for node in nodes):
        return FAILED
    return CANCELLED if any(node.state == CANCELLED and node.has_error for node in nodes) else COMPLETED


def _expected(said: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the states in which a workflow may end, by what was planned for it and done to it."""
    if said.get("is_disturbed"):
        return COMPLETED, FAILED, CANCELLED
    if said.get("is_cancelled"):
        return (CANCELLED,)
    return {plan.CANCELLED: (CANCELLED, COMPLETED), plan.HOPELESS: (FAILED,)}.get(said["manner"], (COMPLETED,))


def _judge_nodes(
    verdict: WorkflowVerdict,
    rows: Rows,
    nodes: Mapping[str, Sequence[NodeRow]],
    ledger: Iterable[Sequence[object]],
) -> None:
    """Adds what is wrong with single tasks: each ended once for each time it was to run, with one result."""
    executed = Counter((line[0], line[1]) for line in ledger)
    inner = {one.parent: one.id for one in rows.workflows if one.parent}
    by_key = {id_: {node.key: node for node in of if node.key is not None} for id_, of in nodes.items()}
    for node in rows.nodes:
        if node.state not in TERMINAL:
            verdict.stuck.append(f"task {node.id} ({node.key}) is {node.state}")
            continue
        if node.is_due:
            verdict.stuck.append(f"the input of task {node.id} ({node.key}) is still to be made")
        if node.endings != node.retries + 1:
            verdict.twice.append(
                f"task {node.id} ({node.key}) ended {node.endings} times, was retried {node.retries} times"
            )
        if node.state != COMPLETED:
            continue
        times = executed[node.id, node.attempt]
        if times != 1:
            (verdict.twice if times else verdict.lost).append(
                f"the execution of task {node.id} ({node.key}), attempt {node.attempt}: {times} times"
            )
        problems = (input_problem(node, by_key[node.workflow]), made_problem(node, inner))
        verdict.wrong += [f"task {node.id} ({node.key}): {problem}" for problem in problems if problem]
