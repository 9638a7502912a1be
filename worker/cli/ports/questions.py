"""Says what the commands on questions need of an installation; see `port`."""

from __future__ import annotations

from typing import Any, Protocol


class QuestionPort(Protocol):
    """The operations on questions; records are as JSON has them.

    All may raise QuestionNotFound, QuestionClosed, SubmissionError, NotPermitted and Unavailable.
    """

    def find(self, state: str, limit: int) -> list[dict[str, Any]]:
        """Returns open questions, the oldest first, or the last ones that have ended."""

    def get(self, question_id: str) -> dict[str, Any]:
        """Returns a question with its answers."""

    def answer(self, question_id: str, decision: str, data: Any, reason: str) -> dict[str, Any]:
        """Answers, and returns the question as it is then."""

    def delegate(self, question_id: str, to: str, reason: str) -> bool:
        """Lets one more person answer; returns False if they may already."""
