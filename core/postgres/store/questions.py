"""Stores questions that tasks ask people, and their answers, each change with its audit row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.questions.question import Asked, Decision, GivenAnswer, Question, QuestionState, RefusedAnswer

MAX_OPEN = 1_000  # that one reading returns


class NewQuestion(NamedTuple):
    """A question of a task that was just suspended."""

    id: str
    task_id: str
    key: str
    asked: Asked


class OldestOpen(NamedTuple):
    """The oldest open question of a queue, its age, and the number of the queue's open ones."""

    queue: str
    text: str
    seconds: float
    number: int


def ask(tx: Transaction, new: Sequence[NewQuestion]) -> None:
    """Stores questions of tasks whose rows the transaction has locked, and has suspended."""
    asked = [one.asked for one in new]
    schemas = (None if one.schema is None else orjson.dumps(one.schema).decode() for one in asked)
    tx.rows(
        queries("questions")["ask"],
        {
            "ids": plain(one.id for one in new),
            "tasks": plain(one.task_id for one in new),
            "keys": quoted(one.key for one in new),
            "texts": quoted(one.text for one in asked),
            "contexts": quoted(one.context for one in asked),
            "schemas": quoted(schemas),
            "of": quoted(orjson.dumps(one.of).decode() for one in asked),
            "needs": plain(one.needs for one in asked),
            "not_by_submitter": plain(one.not_by_submitter for one in asked),
            "refused": quoted(_refused_json(one.refused) for one in asked),
        },
    )


def task_of(tx: Transaction, question_id: str) -> str | None:
    """Returns the id of a question's task; None if there is no such question."""
    rows = tx.rows(queries("questions")["task_of"], {"id": question_id})
    return rows[0][0] if rows else None


def find(tx: Transaction, question_id: str) -> Question | None:
    """Returns a question with its answers; None if there is none."""
    found = _questions(tx, limit=1, id=question_id)
    return found[0] if found else None


def of_task(tx: Transaction, task_id: str, limit: int = 100) -> list[Question]:
    """Returns the questions of a task: an open one first, then the last ended first."""
    return _questions(tx, limit=limit, task=task_id)


def open_questions(
    tx: Transaction,
    queues: Sequence[str] | None = None,
    types: Sequence[str] | None = None,
    limit: int = MAX_OPEN,
) -> list[Question]:
    """Returns the open questions of these queues and types (None: of all), those that were asked first first."""
    return _questions(tx, limit=limit, open=True, queues=queues, types=types)


def ended_questions(
    tx: Transaction,
    queues: Sequence[str] | None = None,
    types: Sequence[str] | None = None,
    *,
    state: QuestionState | None = None,
    since: datetime | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Question]:
    """Returns questions that have ended, the last one first: since a time, in one state, before a question's id."""
    return _questions(tx, limit=limit, open=False, queues=queues, types=types, state=state, since=since, before=before)


def add_answer(
    tx: Transaction, question: Question, person: str, actor: str, decision: Decision, data: str | None, reason: str
) -> None:
    """Stores what somebody said to a question whose task's row is locked; `data` is JSON text."""
    parameters = {
        "id": question.id,
        "person": person,
        "actor": actor,
        "decision": decision.value,
        "data": data,
        "reason": reason,
        "count": len(question.approvals) + (decision is Decision.APPROVED),
    }
    tx.rows(queries("questions")["add_answer"], parameters)


def end_question(tx: Transaction, question_id: str, state: QuestionState) -> None:
    """Ends an open question whose task's row is locked."""
    tx.rows(queries("questions")["end_question"], {"id": question_id, "state": state.value})


def delegate(tx: Transaction, question_id: str, person: str, actor: str, reason: str) -> bool:
    """Lets one more person answer an open question; returns False if they may already."""
    parameters = {"id": question_id, "person": person, "actor": actor, "reason": reason}
    return bool(tx.rows(queries("questions")["delegate"], parameters))


def oldest_open(tx: Transaction) -> list[OldestOpen]:
    """Returns the oldest open question of each queue that has any."""
    return [OldestOpen(*row) for row in tx.rows(queries("questions")["oldest_open"], {})]


def now(tx: Transaction) -> datetime:
    """Returns the database's time."""
    at: datetime = tx.rows(queries("questions")["now"], {})[0][0]
    return at


def _questions(
    tx: Transaction,
    *,
    limit: int,
    id: str | None = None,
    task: str | None = None,
    open: bool | None = None,
    queues: Sequence[str] | None = None,
    types: Sequence[str] | None = None,
    state: QuestionState | None = None,
    since: datetime | None = None,
    before: str | None = None,
) -> list[Question]:
    parameters = {
        "id": id,
        "task": task,
        "open": open,
        "queues": None if queues is None else quoted(queues),
        "types": None if types is None else quoted(types),
        "state": None if state is None else state.value,
        "since": since,
        "before": before,
        "limit": limit,
    }
    return [_question(row) for row in tx.rows(queries("questions")["questions"], parameters)]


def _question(row: Sequence[Any]) -> Question:
    id_, task_id, key, text, context, schema, of, needs, is_not_by_submitter, submitted_by, delegated_to, *rest = row
    refused, state, asked_at, deadline, ended_at, queue, type_, title, answers, refused_data = rest
    return Question(
        id=id_,
        task_id=task_id,
        key=key,
        text=text,
        context=context,
        schema=schema,
        of=tuple(of),
        needs=needs,
        not_by_submitter=is_not_by_submitter,
        submitted_by=submitted_by,
        delegated_to=tuple(delegated_to),
        state=QuestionState(state),
        asked_at=asked_at,
        deadline=deadline,
        ended_at=ended_at,
        queue=queue,
        type=type_,
        title=title,
        answers=tuple(_answer(*answer) for answer in answers or ()),
        refused=None if refused is None else RefusedAnswer(refused["people"], refused["reason"]),
        refused_data=refused_data,
    )


def _refused_json(refused: RefusedAnswer | None) -> str | None:
    if refused is None:
        return None
    return orjson.dumps({"people": refused.people, "reason": refused.reason}).decode()


def _answer(person: str, actor: str, decision: str, data: Any, reason: str, at: str) -> GivenAnswer:
    return GivenAnswer(person, actor, Decision(decision), data, reason, datetime.fromisoformat(at))
