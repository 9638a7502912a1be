"""Reads questions of tasks, and answers them for the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from taskyard.core.access.identity import Actor
from taskyard.core.config import settings
from taskyard.core.questions.question import Question
from taskyard.core.questions.rules import is_asked, may_answer
from taskyard.core.submission.open_servers import Servers
from taskyard.core.submission.questions import check_question_id
from taskyard.core.views import questions as view
from taskyard.dashboard.data.base import forget, now
from taskyard.dashboard.data.open_questions import open_questions
from taskyard.dashboard.data.readings import seen
from taskyard.dashboard.data.viewer import acting, viewer

__all__ = ["MAX_ENDED", "answer", "delegate", "ended", "is_mine", "may_delegate", "one", "open_questions", "own_first"]

ENDED_DAYS = 7
MAX_ENDED = 100


@seen(ttl_seconds=2.0)
def ended(servers: Servers, sight: Actor) -> Sequence[Question]:
    """Returns the last MAX_ENDED questions that ended within ENDED_DAYS, the last one first."""
    with servers.database.transaction() as tx:
        return view.ended(tx, sight, since=now() - timedelta(days=ENDED_DAYS), limit=MAX_ENDED)


@seen()
def one(servers: Servers, sight: Actor, question_id: str) -> Question:
    """Returns a question; raises SubmissionError and QuestionNotFound."""
    with servers.database.transaction() as tx:
        return view.one_question(tx, sight, check_question_id(question_id), settings().auth)


def is_mine(question: Question) -> bool:
    """Returns True if the viewer's answer would count now, as of some seconds ago."""
    return may_answer(question, viewer())


def may_delegate(question: Question) -> bool:
    """Returns True if the viewer is asked, as of some seconds ago."""
    return is_asked(question, viewer())


def own_first(found: Sequence[Question]) -> list[Question]:
    """Returns open questions: those that wait for the viewer first, and of each the one whose time runs out first."""
    who = viewer()

    def place(question: Question) -> tuple[bool, bool, float]:
        at = question.deadline
        return (
            not may_answer(question, who),
            at is None,
            (at or question.asked_at).timestamp(),
        )

    return sorted(found, key=place)


def answer(question_id: str, decision: str, given: Any, reason: str) -> Question:
    """Answers for the viewer; raises SubmissionError, QuestionClosed, NotPermitted and others of TaskyardError."""
    found = acting().answer(question_id, decision, given, reason)
    forget()
    return found


def delegate(question_id: str, to: str, reason: str) -> bool:
    """Lets one more person answer; returns False if they may already. Raises as `answer` does."""
    is_changed = acting().delegate(question_id, to, reason)
    forget()
    return is_changed
