"""Questions as tasks have asked them, without a worker and an agent."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
import uuid_utils

from taskyard.core.postgres.database import Database, DriverTransaction
from taskyard.core.postgres.store import questions, suspension, tick
from taskyard.core.postgres.store.questions import NewQuestion
from taskyard.core.postgres.store.suspension import Suspension
from taskyard.core.questions.question import Asked, RefusedAnswer, check_asked, key_of, signal_of
from taskyard.core.submission.submit import Submitter

AGENT_ID = "asker:b1"


def asked(
    submitter: Submitter,
    database: Database,
    text: str = "Deploy to production?",
    *,
    timeout_seconds: float | None = None,
    submission: dict[str, Any] | None = None,
    **fields: Any,
) -> str:
    """A task that is suspended until people answer; returns the id of its question."""
    given = {"type": "diagnostic.echo", "input": {"value": uuid.uuid4().hex}, **(submission or {})}
    task_id = submitter.submit(**given)
    with database.transaction() as tx:
        return _suspend(tx, task_id, Asked(text, **{"of": ["operator"], **fields}), timeout_seconds)


def asked_again(database: Database, question_id: str, reason: str) -> str:
    """Its task asks an answered question once more, as its model did not accept the answer; returns the new id."""
    with database.transaction() as tx:
        first = questions.find(tx, question_id)
        assert first is not None
        refused = RefusedAnswer([one.person for one in first.answers], reason)
        again = Asked(
            first.text, first.context, first.schema, list(first.of), first.needs, first.not_by_submitter, refused
        )
        return _suspend(tx, first.task_id, again, None)


def _suspend(tx: DriverTransaction, task_id: str, question: Asked, timeout_seconds: float | None) -> str:
    key = key_of(question.text)
    check_asked(question, key, timeout_seconds)
    question_id = str(uuid_utils.uuid7())
    [claim] = tick.claim(tx, [task_id], [AGENT_ID])
    waits = {"kind": "signal", "name": signal_of(key), "schema": {}, "after": 0, "question": question.text}
    suspended = Suspension(task_id, claim.attempt, orjson.dumps(waits).decode(), delay_seconds=timeout_seconds)
    assert suspension.suspend(tx, [suspended])
    questions.ask(tx, [NewQuestion(question_id, task_id, key, question)])
    return question_id
