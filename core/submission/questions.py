"""Answers questions that suspended tasks ask, for people: a guarded change on its own connection, then its commit.

The task's row is locked first, as by whoever cancels it, sends it a signal or lets it go on, so an answer comes before
such a change or after it. Who may answer is checked behind that lock, for the permissions of the actor who is given.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from taskyard.core.access.identity import LOGIN, Actor
from taskyard.core.access.principals import Kind, check_name
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.ids import parsed_id
from taskyard.core.payload.culprits import field_of, refused, required
from taskyard.core.payload.encode import encode_json
from taskyard.core.payload.typed_text import checked
from taskyard.core.postgres.database import Database, DriverTransaction
from taskyard.core.postgres.store import locks, principals, questions, signals
from taskyard.core.postgres.store.signals import ANSWER
from taskyard.core.questions.answer import signal_data
from taskyard.core.questions.question import Decision, Question, QuestionState, check_decision, signal_of
from taskyard.core.questions.rules import (
    can_answer,
    check_answerer,
    check_delegator,
    check_open,
    missing,
    outcome,
    person_of,
)
from taskyard.core.questions.strict_schema import without_unknown_fields
from taskyard.core.submission.queue_notifier import QueueNotifier
from taskyard.core.submission.signals import DATA_LIMIT_BYTES, store_signal
from taskyard.core.task_types.validators import expected_by, validator_of

MAX_PROBLEMS = 20  # of an answer's data that an error lists
_STATES = {Decision.APPROVED: QuestionState.ANSWERED, Decision.DECLINED: QuestionState.DECLINED}


class QuestionCommands:
    """Commands on questions, thread-safe. All raise QuestionNotFound, QuestionClosed, NotPermitted and Unavailable."""

    def __init__(self, database: Database, notifier: QueueNotifier, data_limit_bytes: int = DATA_LIMIT_BYTES) -> None:
        self._database = database
        self._notifier = notifier
        self._data_limit_bytes = data_limit_bytes

    def answer(
        self, question_id: object, decision: str, data: Any = None, *, actor: Actor, reason: str = ""
    ) -> Question:
        """Approves or declines a question for somebody; returns it as it is then.

        An approval's `data` must fit the question's JSON Schema. Who approves after somebody else approves the same
        data, and may leave them out. A decline needs a reason. The answer that decides wakes the task. Raises
        SubmissionError.
        """
        chosen = check_decision(decision)
        why = checked("reason", reason, is_required=chosen is Decision.DECLINED)
        with self._locked(question_id, actor) as (tx, question):
            check_answerer(question, actor)
            text = self._data_of(question, chosen, data)
            questions.add_answer(tx, question, person_of(actor.name), actor.name, chosen, text, why)
            question = _found(tx, question.id)
            decided = outcome(question.answers, question.needs)
            woken = None
            if decided is not None:
                questions.end_question(tx, question.id, _STATES[decided])
                envelope = signal_data(decided, question.answers)
                limit = self._data_limit_bytes + len(envelope.encode())
                name = signal_of(question.key)
                woken = store_signal(tx, question.task_id, name, question.id, envelope, actor.name, why, ANSWER, limit)
                question = _found(tx, question.id)
        self._notifier.push(woken or [])
        return question

    def delegate(self, question_id: object, to: str, *, actor: Actor, reason: str = "") -> bool:
        """Lets one more person answer; returns False if they may already. Raises SubmissionError."""
        person, why = check_name(to), checked("reason", reason, is_required=False)
        with self._locked(question_id, actor) as (tx, question):
            check_delegator(question, actor)
            known = principals.find(tx, person)
            if known is None or known.kind is not Kind.PERSON or known.disabled_at is not None:
                raise refused("to", to, msg("the name of a person who may sign in"))
            if not can_answer(known.acting(LOGIN), question):
                expected = msg(
                    "a person who may answer questions of queue {queue} and type {type}",
                    queue=question.queue,
                    type=question.type,
                )
                raise refused("to", to, expected)
            if question.not_by_submitter and person == person_of(question.submitted_by):
                raise refused("to", to, msg("somebody else than who submitted the task"))
            if person in question.of:
                return False
            return questions.delegate(tx, question.id, person, actor.name, why)

    # ours

    @contextlib.contextmanager
    def _locked(self, question_id: object, actor: Actor) -> Iterator[tuple[DriverTransaction, Question]]:
        """Opens a transaction that holds the lock of a question's task; the question is open, and the actor's."""
        id_ = check_question_id(question_id)
        with locks.naming_holders(self._database), self._database.transaction() as tx:
            task_id = questions.task_of(tx, id_)
            if task_id is None:
                raise missing(id_)
            signals.lock_task(tx, task_id)
            question = _found(tx, id_)
            if not actor.sees(question.queue, question.type):
                raise missing(id_)
            check_open(question, questions.now(tx))
            yield tx, question

    def _data_of(self, question: Question, decision: Decision, data: Any) -> str | None:
        """Returns the JSON text of an answer's data; raises SubmissionError."""
        if decision is Decision.DECLINED or question.schema is None:
            if data is not None:
                expected = msg("nothing: the question asks for a decision alone")
                if question.schema is not None:
                    expected = msg("nothing: a decline has a reason, and no data")
                raise refused("data", data, expected)
            return None
        if question.approvals:
            first = question.approvals[0]
            if data is not None and data != first.data:
                expected = msg("the same as {name} approved: decline if you do not agree", name=first.person)
                raise refused("data", data, expected)
            data = first.data
        given = {} if data is None else data
        text = encode_json("data", given, self._data_limit_bytes).decode()
        _check_fit(question, given)
        return text


def check_question_id(value: object) -> str:
    """Returns a valid id of a question; raises SubmissionError."""
    question_id = parsed_id(value)
    if question_id is None:
        raise refused("question", value, msg("the id of a question (a UUID)"))
    return question_id


def _found(tx: DriverTransaction, question_id: str) -> Question:
    question = questions.find(tx, question_id)
    if question is None:
        raise missing(question_id)
    return question


def _check_fit(question: Question, data: Any) -> None:
    """Raises SubmissionError, with every problem as a part, for data that the question's schema does not accept."""
    validator = validator_of(without_unknown_fields(question.schema or {}), question.key)
    if validator is None:
        return  # the handler's model judges
    found: list[SubmissionError] = []
    for error in validator.iter_errors(data):
        path = ["data", *error.instance_path]
        if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
            found.append(required(field_of([*path, error.kind.property])))
        elif isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
            found += [_unknown([*path, name], error.instance[name]) for name in error.kind.unexpected]
        else:
            found.append(refused(field_of(path), error.instance, expected_by(error)))
        if len(found) >= MAX_PROBLEMS:
            break
    if found:
        first, *_ = found
        first.parts = tuple(found) if len(found) > 1 else ()
        raise first


def _unknown(path: list[int | str], value: Any) -> SubmissionError:
    return refused(field_of(path), value, msg("nothing: the question's model has no such field"))
