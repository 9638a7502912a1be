"""Implements the operations on questions by this host's own connections to PostgreSQL and Redis."""

from __future__ import annotations

from typing import Any

from taskyard.core.access.identity import local_actor
from taskyard.core.config import load_settings
from taskyard.core.questions.question import Question, QuestionState, check_state
from taskyard.core.questions.rules import may_answer
from taskyard.core.submission.questions import check_question_id
from taskyard.core.views import questions
from taskyard.worker.cli.connections import acting, opened_reading


class LocalQuestions:
    """The questions of the installation that the settings name; see `QuestionPort`."""

    def find(self, state: str, limit: int) -> list[dict[str, Any]]:
        wanted = None if state == "ended" else check_state(state)
        with opened_reading() as tx:
            if wanted is QuestionState.OPEN:
                found = questions.inbox(tx, local_actor(), load_settings().auth)[:limit]
            else:
                found = questions.ended(tx, local_actor(), state=wanted, limit=limit)
        return [_record(one) for one in found]

    def get(self, question_id: str) -> dict[str, Any]:
        with opened_reading() as tx:
            wanted = check_question_id(question_id)
            return _record(questions.one_question(tx, local_actor(), wanted, load_settings().auth))

    def answer(self, question_id: str, decision: str, data: Any, reason: str) -> dict[str, Any]:
        with acting() as (allowed, _database):
            return _record(allowed.answer(question_id, decision, data, reason))

    def delegate(self, question_id: str, to: str, reason: str) -> bool:
        with acting() as (allowed, _database):
            return allowed.delegate(question_id, to, reason)


def _record(question: Question) -> dict[str, Any]:
    return {**question.as_json(), "is_yours": may_answer(question, local_actor())}
