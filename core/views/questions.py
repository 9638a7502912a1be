"""Reads questions as somebody may see them: of their queues and types, and without payloads if they read none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from taskyard.core.access.identity import Actor
from taskyard.core.access.modes import Mode
from taskyard.core.access.permissions import Permission
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import principals, questions
from taskyard.core.questions.question import Question, QuestionState, RefusedAnswer
from taskyard.core.questions.reach import known_people, reach
from taskyard.core.questions.rules import is_asked, missing
from taskyard.core.views.masking import MASK, reads_payloads
from taskyard.core.views.narrowing import known_names


def inbox(tx: Transaction, actor: Actor, mode: Mode, *, is_own: bool = False) -> list[Question]:
    """Returns the open questions, those that were asked first first; with `is_own` only those asked of the actor.

    `mode` is how users come in here, by which there are enough who may answer, or not.
    """
    queues, types = _names(tx, actor)
    found = [one for one in questions.open_questions(tx, queues, types) if _sees(actor, one)]
    own = [one for one in found if is_asked(one, actor)] if is_own else found
    return [masked_question(one, actor) for one in with_reach(tx, own, mode)]


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


def one_question(tx: Transaction, actor: Actor, question_id: str, mode: Mode) -> Question:
    """Returns a question; raises QuestionNotFound. See `inbox`."""
    actor.require(Permission.TASK_READ)
    found = questions.find(tx, question_id)
    if found is None or not _sees(actor, found):
        raise missing(question_id)
    return masked_question(with_reach(tx, [found], mode)[0], actor)


def of_task(tx: Transaction, actor: Actor, task_id: str, mode: Mode) -> list[Question]:
    """Returns the questions of a task, an open one first. See `inbox`."""
    found = [one for one in questions.of_task(tx, task_id) if _sees(actor, one)]
    return [masked_question(one, actor) for one in with_reach(tx, found, mode)]


def with_reach(tx: Transaction, found: Sequence[Question], mode: Mode) -> list[Question]:
    """Returns questions with whom they are asked of in vain."""
    if not any(one.state is QuestionState.OPEN for one in found):
        return list(found)
    people = known_people(principals.principals(tx))
    reached = [(one, reach(one, people, mode)) for one in found]
    return [replace(one, unreached=who.unreached, lacking=who.lacking) for one, who in reached]


def masked_question(question: Question, actor: Actor) -> Question:
    """Returns a question as an actor may see it."""
    if reads_payloads(actor):
        return question
    answers = tuple(replace(one, data=None if one.data is None else MASK) for one in question.answers)
    context, refused, data = MASK if question.context else "", question.refused, question.refused_data
    if refused is not None:
        refused, data = RefusedAnswer(refused.people, MASK), None if data is None else MASK
    return replace(question, context=context, answers=answers, refused=refused, refused_data=data)


def _names(tx: Transaction, actor: Actor) -> tuple[list[str] | None, list[str] | None]:
    return known_names(tx, actor) if actor.is_narrowed else (None, None)


def _sees(actor: Actor, question: Question) -> bool:
    return actor.sees(question.queue, question.type)
