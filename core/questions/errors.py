"""Defines the errors of questions that tasks ask people."""

from __future__ import annotations

from taskyard.core.errors import TaskyardError


class QuestionNotFound(TaskyardError):
    """Raised if no question has this id; see core.questions.rules."""


class QuestionClosed(TaskyardError):
    """Raised if nobody can answer a question any more; `state` is the one it ended in."""

    def __init__(self, text: str, state: str) -> None:
        self.state = state
        super().__init__(text)
