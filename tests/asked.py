"""Questions as tasks have asked them, without a worker and an agent."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
import uuid_utils

from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import questions, suspension, tick
from taskyard.core.postgres.store.questions import NewQuestion
from taskyard.core.postgres.store.suspension import Suspension
from taskyard.core.questions.question import Asked, check_asked, key_of, signal_of
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
    question = Asked(text, **{"of": ["operator"], **fields})
    key = key_of(text)
    check_asked(question, key, timeout_seconds)
    question_id = str(uuid_utils.uuid7())
    with database.transaction() as tx:
        [claim] = tick.claim(tx, [task_id], [AGENT_ID])
        waits = {"kind": "signal", "name": signal_of(key), "schema": {}, "after": 0, "question": text}
        suspended = Suspension(task_id, claim.attempt, orjson.dumps(waits).decode(), delay_seconds=timeout_seconds)
        assert suspension.suspend(tx, [suspended])
        questions.ask(tx, [NewQuestion(question_id, task_id, key, question)])
    return question_id
