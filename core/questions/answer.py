"""Defines what a handler gets for its question, and how that travels as the data of a signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from taskyard.core.questions.question import Decision, GivenAnswer

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Answer(Generic[Model]):
    """What people answered together: approved by as many as the question needs, or declined by one.

    `data` is the model that was approved; None if it was declined, or asked without a model. `answers` has what each
    person said, in order.
    """

    decision: Decision
    data: Model | None
    answers: tuple[GivenAnswer, ...]

    @property
    def is_approved(self) -> bool:
        """Returns True if it was approved."""
        return self.decision is Decision.APPROVED


class AnswerSignal(BaseModel):
    """The data of the signal that carries an answer."""

    decision: Decision
    data: Any = None
    answers: list[GivenAnswer]


def signal_data(decision: Decision, answers: Sequence[GivenAnswer]) -> str:
    """Returns the JSON text of the signal: the data are those that were approved first, as all others approve them."""
    approved = next((one for one in answers if one.decision is Decision.APPROVED), None)
    data = approved.data if approved is not None and decision is Decision.APPROVED else None
    return AnswerSignal(decision=decision, data=data, answers=list(answers)).model_dump_json()
