"""Checks what became of questions, for the count at the end (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from taskyard.worker.devtools.prove.workflows.rows import QuestionRow

OPEN, ANSWERED, DECLINED, EXPIRED, WITHDRAWN = "open", "answered", "declined", "expired", "withdrawn"
APPROVED = "approved"


class Verdict(Protocol):
    """Where problems are noted."""

    lost: list[str]
    stuck: list[str]
    twice: list[str]
    wrong: list[str]


def judge_questions(verdict: Verdict, rows: Sequence[QuestionRow], answers: Iterable[Sequence[Any]]) -> None:
    """Adds what is wrong with questions, after all tasks have ended.

    `answers`: (question, person, decision) of each answer that was accepted. Each question of a task was asked once for
    each time the task was to run, and ended as its answers say; the task got that once, and says the same.
    """
    recorded = {(row.id, person): decision for row in rows for person, decision, _ in row.answers}
    for question, person, decision in answers:
        if recorded.get((question, person)) != decision:
            verdict.lost.append(f"the answer of {person} to question {question}: {decision}")
    asked = Counter((row.task, row.key) for row in rows)
    retries = {(row.task, row.key): row.retries for row in rows}
    verdict.twice += [
        f"task {task} asked {key!r} {count} times"
        for (task, key), count in asked.items()
        if count > 1 + retries[task, key]
    ]
    for row in rows:
        if row.state == OPEN:
            verdict.stuck.append(f"question {row.id} ({row.key}) is open, its task {row.task_state}")
            continue
        if row.state != WITHDRAWN and len(row.signals) > 1:
            verdict.twice.append(f"question {row.id} ({row.key}) gave its task {len(row.signals)} answers")
        verdict.wrong += [f"question {row.id} ({row.key}) {problem}" for problem in _problems(row)]


def _problems(row: QuestionRow) -> Iterator[str]:
    recounted = _state_of(row)
    if row.state not in (WITHDRAWN, EXPIRED) and row.state != recounted:
        yield f"is {row.state}, by its answers {recounted}"
    if row.state in (WITHDRAWN, EXPIRED) and recounted != OPEN:
        yield f"is {row.state}, by its answers {recounted}"
    approvals = [data for _, decision, data in row.answers if decision == APPROVED]
    if any(data != approvals[0] for data in approvals):
        yield f"has approvals of different data: {approvals}"
    if row.task_state != "completed" or row.retries or row.state == WITHDRAWN:
        return
    kinds = ["timeout"] if row.state == EXPIRED else ["answer"]
    if list(row.signals) != kinds:
        yield f"is {row.state}, its task got {list(row.signals)}"
    said = tuple((row.output or {}).get(name) for name in ("decision", "word", "people"))
    people = [] if row.state == EXPIRED else [person for person, _, _ in row.answers]
    decision = {ANSWERED: APPROVED, DECLINED: DECLINED, EXPIRED: ""}[row.state]
    word = approvals[0].get("word", "") if row.state == ANSWERED and approvals else ""
    if said != (decision, word, people):
        yield f"is {(decision, word, people)}, its task says {said}"


def _state_of(row: QuestionRow) -> str:
    """Returns the state that the answers decide."""
    decisions = [decision for _, decision, _ in row.answers]
    if DECLINED in decisions:
        return DECLINED
    return ANSWERED if decisions.count(APPROVED) >= row.needs else OPEN
