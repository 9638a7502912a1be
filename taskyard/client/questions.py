"""Reads and answers over HTTP what tasks ask people: the calls, and their methods of both clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import from_json

from taskyard.api.models.asked_questions import QuestionInfo
from taskyard.client.calls import Call
from taskyard.client.options import encoded
from taskyard.client.workflows import Asking, AsyncAsking
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.ids import parsed_id

APPROVED, DECLINED = "approved", "declined"
_questions = TypeAdapter(list[QuestionInfo])


def find(state: str, own: bool, before: str | None, limit: int) -> Call[list[QuestionInfo]]:
    """Reads some questions."""
    given = {"state": state, "own": own, "before": before, "limit": limit}
    query = [("state", state), ("limit", str(limit))]
    query += [("own", "true")] if own else []
    query += [] if before is None else [("before", before)]
    return Call("GET", "/questions", _questions.validate_json, query, given=given)


def get(question_id: object) -> Call[QuestionInfo]:
    """Reads a question; raises SubmissionError."""
    return Call("GET", _path(question_id), QuestionInfo.model_validate_json)


def answer(question_id: object, decision: str, data: Any, reason: str) -> Call[QuestionInfo]:
    """Answers a question, reads it as it is then; raises SubmissionError. Each person answers once."""
    given = {"decision": decision, "data": data, "reason": reason}
    read = QuestionInfo.model_validate_json
    return Call("POST", _path(question_id, "/answer"), read, body=encoded("data", given), may_repeat=False, given=given)


def delegate(question_id: object, to: str, reason: str) -> Call[bool]:
    """Lets one more person answer, reads whether that is new; raises SubmissionError."""

    def read(text: bytes) -> bool:
        return bool(from_json(text)["is_changed"])

    given = {"to": to, "reason": reason}
    return Call("POST", _path(question_id, "/delegate"), read, body=encoded("to", given), given=given)


def _path(question_id: object, rest: str = "") -> str:
    known = parsed_id(question_id)
    if known is None:
        raise SubmissionError("question", question_id, msg("the id of a question (a UUID)"))
    return f"/questions/{known}{rest}"


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of a client: `client.questions`. Every method raises the errors of `Client`.

    Those about one question raise QuestionNotFound, and QuestionClosed once nobody can answer it any more.
    """

    _client: Asking = field(repr=False)

    def find(
        self, *, state: str = "open", own: bool = False, before: str | None = None, limit: int = 50
    ) -> list[QuestionInfo]:
        """Returns the open questions, those that were asked first first, or the last ones that have ended.

        `state` is open, answered, declined, expired, withdrawn or ended (all but open ones). `own` narrows open ones to
        those that are asked of you; `before` is the id of an ended one, to read on.
        """
        return self._client.ask(find(state, own, before, limit))

    def get(self, question_id: str) -> QuestionInfo:
        """Returns a question with its answers."""
        return self._client.ask(get(question_id))

    def answer(self, question_id: str, data: Any = None, *, reason: str = "") -> QuestionInfo:
        """Approves with data that fit the question's schema; the answer that decides lets its task go on.

        Who approves after somebody else approves the same data, and may leave them out.
        """
        return self._client.ask(answer(question_id, APPROVED, data, reason))

    def decline(self, question_id: str, *, reason: str) -> QuestionInfo:
        """Declines: its task goes on with that, and the reason."""
        return self._client.ask(answer(question_id, DECLINED, None, reason))

    def delegate(self, question_id: str, to: str, *, reason: str = "") -> bool:
        """Lets one more person answer; returns False if they might already."""
        return self._client.ask(delegate(question_id, to, reason))


@dataclass(frozen=True, slots=True)
class AsyncQuestions:
    """See `Questions`: the same methods, with `await`."""

    _client: AsyncAsking = field(repr=False)

    async def find(
        self, *, state: str = "open", own: bool = False, before: str | None = None, limit: int = 50
    ) -> list[QuestionInfo]:
        """See `Questions.find`."""
        return await self._client.ask(find(state, own, before, limit))

    async def get(self, question_id: str) -> QuestionInfo:
        """See `Questions.get`."""
        return await self._client.ask(get(question_id))

    async def answer(self, question_id: str, data: Any = None, *, reason: str = "") -> QuestionInfo:
        """See `Questions.answer`."""
        return await self._client.ask(answer(question_id, APPROVED, data, reason))

    async def decline(self, question_id: str, *, reason: str) -> QuestionInfo:
        """See `Questions.decline`."""
        return await self._client.ask(answer(question_id, DECLINED, None, reason))

    async def delegate(self, question_id: str, to: str, *, reason: str = "") -> bool:
        """See `Questions.delegate`."""
        return await self._client.ask(delegate(question_id, to, reason))
