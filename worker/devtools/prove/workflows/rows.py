"""Reads what the database has of workflows, their tasks and edges, and of questions, for the count at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from taskyard.core.postgres.database import Database, Transaction, queries


class WorkflowRow(NamedTuple):
    """A workflow. `parent` is the task whose handler submitted it; without an end there is no state."""

    id: str
    title: str | None
    parent: str | None
    is_cancelled: bool
    state: str | None
    counts: Mapping[str, int] | None
    open_tasks: int


class NodeRow(NamedTuple):
    """A task of a workflow; one that a handler submitted has no key. `template` is what its input was made of."""

    id: str
    workflow: str
    key: str | None
    type: str
    state: str
    attempt: int
    retries: int
    endings: int
    has_error: bool
    input: Any
    output: Any
    template: Any = None
    is_due: bool = False


class EdgeRow(NamedTuple):
    """An edge with the states of its tasks."""

    parent: str
    child: str
    condition: str
    kind: str
    is_open: bool
    is_met: bool
    parent_state: str
    child_state: str


class QuestionRow(NamedTuple):
    """A question. `answers` are (person, decision, data) in order, `signals` the kinds of those that carried one."""

    id: str
    task: str
    key: str
    state: str
    needs: int
    task_state: str
    output: Any
    answers: Sequence[tuple[str, str, Any]]
    signals: Sequence[str]
    retries: int


@dataclass(frozen=True, slots=True)
class Rows:
    """All that the database has of them."""

    workflows: Sequence[WorkflowRow] = ()
    nodes: Sequence[NodeRow] = ()
    edges: Sequence[EdgeRow] = ()
    questions: Sequence[QuestionRow] = ()


def read(tx: Transaction) -> Rows:
    """Returns everything."""
    return Rows(
        [WorkflowRow(*row) for row in tx.rows(queries("prove")["workflows"], {})],
        [NodeRow(*row) for row in tx.rows(queries("prove")["nodes"], {})],
        [EdgeRow(*row) for row in tx.rows(queries("prove")["edges"], {})],
        [QuestionRow(*row) for row in tx.rows(queries("prove")["questions"], {})],
    )


def open_workflows(database: Database) -> int:
    """Returns how many workflows have not ended; raises Unavailable."""
    with database.transaction() as tx:
        return int(tx.rows(queries("prove")["open_workflows"], {})[0][0])
