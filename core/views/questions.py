"""Reads questions as somebody may see them: of their queues and types, and without payloads if they read none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import principals, questions
from taskyard.core.questions.question import Question, QuestionState, RefusedAnswer
from taskyard.core.questions.reach import unreached
from taskyard.core.questions.rules import is_asked, missing
from taskyard.core.views.masking import MASK, reads_payloads
from taskyard.core.views.narrowing import known_names


def inbox(tx: Transaction, actor: Actor, *, is_own: bool = False) -> list[Question]:
    """Returns the open questions, those that were asked first first; with `is_own` only those asked of the actor."""
    queues, types = _names(tx, actor)
    found = [one for one in questions.open_questions(tx, queues, types) if _sees(actor, one)]
    own = [one for one in found if is_asked(one, actor)] if is_own else found
    return [masked_question(one, actor) for one in with_unreached(tx, own)]


def ended(
    tx: Transaction,
    actor: Actor,
    *,
    state: QuestionState | None = None,
    since: datetime | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Question]:
    """Returns questions that have ended; see core.postgres.store.questions."""
    queues, types = _names(tx, actor)
    found = questions.ended_questions(tx, queues, types, state=state, since=since, before=before, limit=limit)
    return [masked_question(one, actor) for one in found if _sees(actor, one)]


def one_question(tx: Transaction, actor: Actor, question_id: str) -> Question:
    """Returns a question; raises QuestionNotFound."""
    actor.require(Permission.TASK_READ)
    found = questions.find(tx, question_id)
    if found is None or not _sees(actor, found):
        raise missing(question_id)
    return masked_question(with_unreached(tx, [found])[0], actor)


def of_task(tx: Transaction, actor: Actor, task_id: str) -> list[Question]:
    """Returns the questions of a task, an open one first."""
    found = [one for one in questions.of_task(tx, task_id) if _sees(actor, one)]
    return [masked_question(one, actor) for one in with_unreached(tx, found)]


def with_unreached(tx: Transaction, found: Sequence[Question]) -> list[Question]:
    """Returns questions with the roles and names of which nobody may answer."""
    if not any(one.state is QuestionState.OPEN for one in found):
        return list(found)
    known = principals.principals(tx)
    return [replace(one, unreached=unreached(one, known)) for one in found]


def masked_question(question: Question, actor: Actor) -> Question:
    """Returns a question as an actor may see it."""
    if reads_payloads(actor):
        return question
    answers = tuple(replace(one, data=None if one.data is None else MASK) for one in question.answers)
    refused = None if question.refused is None else RefusedAnswer(question.refused.people, MASK)
    return replace(question, context=MASK if question.context else "", answers=answers, refused=refused)


def _names(tx: Transaction, actor: Actor) -> tuple[list[str] | None, list[str] | None]:
    return known_names(tx, actor) if actor.is_narrowed else (None, None)


def _sees(actor: Actor, question: Question) -> bool:
    return actor.sees(question.queue, question.type)
