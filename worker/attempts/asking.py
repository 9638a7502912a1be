"""Makes a handler's question what its attempt waits for, and the signal that comes the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from taskyard.core.errors import PermanentError, SubmissionError, shortened
from taskyard.core.payload.encode import decode_input
from taskyard.core.questions.answer import Answer, AnswerSignal
from taskyard.core.questions.question import DEFAULT_OF, Asked, check_asked, key_of, signal_of
from taskyard.core.task_types.schemas import input_schema
from taskyard.worker.attempts.suspension import SignalReceived

Model = TypeVar("Model", bound=BaseModel)


def question_of(
    text: str,
    model: type[BaseModel] | None,
    key: str | None,
    of: Sequence[str] | None,
    timeout_seconds: float | None,
    context: str,
    needs: int,
    not_by_submitter: bool,
) -> tuple[Asked, SignalReceived[AnswerSignal]]:
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
    return asked, SignalReceived(signal_of(own_key), AnswerSignal, {}, timeout)


def answer_of(found: AnswerSignal, model: type[Model] | None) -> Answer[Model]:
    """Returns an answer with its data as the model; raises PermanentError if they do not fit it."""
    data: Any = None
    if model is not None and found.decision == "approved":
        try:
            data = decode_input(model, to_json(found.data))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(["data", *map(str, first["loc"])])
            raise PermanentError(
                f"ask: what was approved does not fit {model.__name__}: {place}: {first['msg']}"
            ) from None
    return Answer(found.decision, data, tuple(found.answers))
