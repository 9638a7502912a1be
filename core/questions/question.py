"""Defines a question that a handler asks people, its answers, and the limits of both."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from taskyard.core.access.permissions import Role, is_role
from taskyard.core.access.principals import check_name
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import N_, msg
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.encode import check_text
from taskyard.core.payload.storable_json import refusal

SIGNAL_PREFIX = "ask:"  # of the name of the signal that carries an answer; nobody else may send one
MAX_KEY_LENGTH = 80  # characters
MAX_QUESTION_LENGTH = 300  # characters
MAX_CONTEXT_LENGTH = 20_000  # characters
MAX_SCHEMA_BYTES = 64 << 10
MAX_OF = 50  # roles and people
MAX_NEEDS = 10  # people
MAX_REFUSAL_LENGTH = 500  # characters of why an answer is not accepted
MAX_TIMEOUT_SECONDS = 366 * 24 * 3600.0
DEFAULT_OF = (Role.OPERATOR.value,)
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_UNFIT_FOR_KEY = re.compile(r"[^a-z0-9]+")
_SLUG_LENGTH, _DIGEST_LENGTH = 40, 8  # characters of a key that is made from a text


class QuestionState(StrEnum):
    """The state of a question; all but the first are final."""

    OPEN = "open"
    ANSWERED = "answered"  # as many people approved as it needs
    DECLINED = "declined"
    EXPIRED = "expired"  # its time ran out
    WITHDRAWN = "withdrawn"  # its task ended otherwise


class Decision(StrEnum):
    """What somebody says to a question."""

    APPROVED = "approved"
    DECLINED = "declined"


QUESTION_STATE_WORDS: Mapping[QuestionState, str] = {
    QuestionState.OPEN: N_("unanswered"),
    QuestionState.ANSWERED: N_("answered"),
    QuestionState.DECLINED: N_("declined"),
    QuestionState.EXPIRED: N_("expired"),
    QuestionState.WITHDRAWN: N_("withdrawn"),
}


class RefusedAnswer(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """An earlier answer that the handler's model did not accept: who gave it, and the reason in one line."""

    people: list[str]
    reason: str


class Asked(msgspec.Struct, array_like=True, gc=False):
    """A question as a handler asks it; `schema` is the JSON Schema of the data of an approval, None: without data.

    `of` has roles and people's names. A role stands for everybody with that role or one above it. `refused`: it is
    asked again because of that.
    """

    text: str
    context: str = ""
    schema: dict[str, Any] | None = None
    of: list[str] = []
    needs: int = 1
    not_by_submitter: bool = False
    refused: RefusedAnswer | None = None


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What one person said; `person` is their name, and `actor` who they were as the audit log has it."""

    person: str
    actor: str
    decision: Decision
    data: Any
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a task. `submitted_by` is who submitted the task, or the one whose handlers submitted it.

    `refused_data` is what was approved in the answer that was `refused`; None: unknown. `unreached` are the roles and
    names of which nobody may answer, `lacking` how many people there are too few; see core.questions.reach.
    """

    id: str
    task_id: str
    key: str
    text: str
    context: str
    schema: dict[str, Any] | None
    of: tuple[str, ...]
    needs: int
    not_by_submitter: bool
    submitted_by: str
    delegated_to: tuple[str, ...]
    state: QuestionState
    asked_at: datetime
    deadline: datetime | None
    ended_at: datetime | None
    queue: str
    type: str
    title: str | None
    answers: tuple[GivenAnswer, ...] = ()
    refused: RefusedAnswer | None = None
    refused_data: Any = None
    unreached: tuple[str, ...] = ()
    lacking: int = 0

    @property
    def approvals(self) -> tuple[GivenAnswer, ...]:
        """Returns the approvals so far, the first one first."""
        return tuple(one for one in self.answers if one.decision is Decision.APPROVED)

    def as_json(self) -> dict[str, Any]:
        """Returns it as a document."""
        return {
            "id": self.id,
            "task_id": self.task_id,
            "task_type": self.type,
            "task_title": self.title,
            "queue": self.queue,
            "key": self.key,
            "question": self.text,
            "context": self.context,
            "schema": self.schema,
            "of": list(self.of),
            "needs": self.needs,
            "not_by_submitter": self.not_by_submitter,
            "submitted_by": self.submitted_by,
            "delegated_to": list(self.delegated_to),
            "state": self.state.value,
            "asked_at": self.asked_at.isoformat(),
            "deadline": self.deadline and self.deadline.isoformat(),
            "ended_at": self.ended_at and self.ended_at.isoformat(),
            "unreached": list(self.unreached),
            "lacking": self.lacking,
            "refused": self.refused
            and {"people": self.refused.people, "reason": self.refused.reason, "data": self.refused_data},
            "answers": [
                {
                    "person": one.person,
                    "decision": one.decision.value,
                    "data": one.data,
                    "reason": one.reason,
                    "at": one.at.isoformat(),
                }
                for one in self.answers
            ],
        }


def key_of(text: str) -> str:
    """Returns the key of a question that names none: the beginning of its text, and a digest of all of it."""
    slug = _UNFIT_FOR_KEY.sub("-", text.lower())[:_SLUG_LENGTH].strip("-")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
    return f"{slug}-{digest}" if slug else f"question-{digest}"


def signal_of(key: str) -> str:
    """Returns the name of the signal that carries the answer to a task's question."""
    return f"{SIGNAL_PREFIX}{key}"


def check_asked(asked: Asked, key: str, timeout_seconds: float | None) -> None:
    """Raises SubmissionError for the first part of a question that is not accepted."""
    if not isinstance(key, str) or len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise refused(
            "key", key, msg("1 to {limit} letters, digits or ._-, a letter or digit first", limit=MAX_KEY_LENGTH)
        )
    text = check_text("question", asked.text, MAX_QUESTION_LENGTH)
    if not text.strip() or not text.isprintable():
        raise refused("question", text, msg("one line that can be read"))
    if asked.context != "":
        check_text("context", asked.context, MAX_CONTEXT_LENGTH)
    _check_of(asked.of)
    _check_needs(asked)
    if asked.refused is not None:
        _check_refused(asked.refused)
    if not isinstance(asked.not_by_submitter, bool):
        raise refused("not_by_submitter", asked.not_by_submitter, msg("true or false"))
    if asked.schema is not None and (problem := refusal(_written(asked.schema), MAX_SCHEMA_BYTES)) is not None:
        raise refused("model", "its JSON Schema", msg("a model that can be stored: this {problem}", problem=problem))
    is_number = isinstance(timeout_seconds, int | float) and not isinstance(timeout_seconds, bool)
    if timeout_seconds is not None and not (is_number and 0 < timeout_seconds <= MAX_TIMEOUT_SECONDS):
        expected = msg("seconds above 0, at most {limit}", limit=f"{MAX_TIMEOUT_SECONDS:.0f}")
        raise refused("timeout_seconds", timeout_seconds, expected)


def check_decision(value: object) -> Decision:
    """Returns a valid decision; raises SubmissionError."""
    if not isinstance(value, str) or value not in set(Decision):
        raise refused("decision", value, msg("one of {names}", names=", ".join(Decision)))
    return Decision(value)


def check_state(value: object) -> QuestionState:
    """Returns a valid state; raises SubmissionError."""
    if not isinstance(value, str) or value not in set(QuestionState):
        raise refused("state", value, msg("one of {names}", names=", ".join(QuestionState)))
    return QuestionState(value)


def _written(schema: dict[str, Any]) -> bytes:
    try:
        return json.dumps(schema, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:  # a default that JSON can't hold
        expected = msg("a model whose schema JSON can hold: {reason}", reason=str(error))
        raise refused("model", "its JSON Schema", expected) from None


def _check_of(of: Sequence[object]) -> None:
    if isinstance(of, str) or not 1 <= len(of) <= MAX_OF:
        raise refused("of", of, msg("1 to {limit} roles or names of people", limit=MAX_OF))
    for name in of:
        try:
            check_name(name)
        except SubmissionError:
            raise refused("of", name, msg("a role or the name of a person")) from None
    if len(set(of)) < len(of):
        raise refused("of", list(of), msg("each name only once"))


def _check_refused(answer: RefusedAnswer) -> None:
    check_text("refused.reason", answer.reason, MAX_REFUSAL_LENGTH)
    if len(answer.people) > MAX_NEEDS:
        raise refused("refused.people", len(answer.people), msg("a number from 1 to {limit}", limit=MAX_NEEDS))
    for name in answer.people:
        check_text("refused.people", name, MAX_REFUSAL_LENGTH)


def _check_needs(asked: Asked) -> None:
    needs = asked.needs
    if not isinstance(needs, int) or isinstance(needs, bool) or not 1 <= needs <= MAX_NEEDS:
        raise refused("needs", needs, msg("a whole number from 1 to {limit}", limit=MAX_NEEDS))
    if needs > len(asked.of) and not any(map(is_role, asked.of)):
        raise refused(
            "needs", needs, msg("at most as many people as may answer, which are {count}", count=len(asked.of))
        )
