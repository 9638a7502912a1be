"""Makes a handler's question what its attempt waits for, and the signal that comes the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from pydantic_core import to_json

from taskyard.core.errors import PermanentError, SubmissionError, shortened
from taskyard.core.payload.encode import decode_input
from taskyard.core.payload.printable_text import visible
from taskyard.core.questions.answer import Answer, AnswerSignal
from taskyard.core.questions.question import (
    DEFAULT_OF,
    MAX_NEEDS,
    MAX_REFUSAL_LENGTH,
    Asked,
    Decision,
    RefusedAnswer,
    check_asked,
    key_of,
    signal_of,
)
from taskyard.core.task_types.schemas import input_schema
from taskyard.worker.attempts.suspension import PassedOver

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class AnswerReceived(Generic[Model]):
    """Until people have answered; `model` is that of what they approve."""

    name: str
    model: type[Model] | None
    timeout_seconds: float | None

    def read(self, text: bytes) -> Answer[Model]:
        """Returns the answer that a signal carries; raises pydantic.ValidationError for data that do not fit."""
        found = AnswerSignal.model_validate_json(text)
        data: Any = None
        if self.model is not None and found.decision is Decision.APPROVED:
            data = decode_input(self.model, to_json(found.data))
        return Answer(found.decision, data, tuple(found.answers))


def question_of(
    text: str,
    model: type[BaseModel] | None,
    key: str | None,
    of: Sequence[str] | None,
    timeout_seconds: float | None,
    context: str,
    needs: int,
    not_by_submitter: bool,
) -> tuple[Asked, AnswerReceived[Any]]:
    """Returns a question and the signal that carries its answer; raises PermanentError for what is not accepted."""
    if model is not None and not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise PermanentError(f"ask: model {shortened(model)} is not accepted, expected a class of pydantic models")
    schema = None if model is None else input_schema(model)
    people = list(DEFAULT_OF if of is None else of) if not isinstance(of, str) else of
    asked = Asked(text, context, schema, people, needs, not_by_submitter)  # type: ignore[arg-type]
    try:
        own_key = key if key is not None else key_of(text if isinstance(text, str) else "")
        check_asked(asked, own_key, timeout_seconds)
    except SubmissionError as error:
        raise PermanentError(f"ask: {error}") from None
    timeout = None if timeout_seconds is None else float(timeout_seconds)
    return asked, AnswerReceived(signal_of(own_key), model, timeout)


def refused_answer(passed_over: PassedOver | None) -> RefusedAnswer | None:
    """Returns whose answer a handler's model did not accept, and why, for those who are asked again."""
    if passed_over is None:
        return None
    people = [one.person for one in AnswerSignal.model_validate_json(passed_over.text).answers]
    return RefusedAnswer(people[:MAX_NEEDS], visible(passed_over.reason)[:MAX_REFUSAL_LENGTH])
