"""Returns the earlier task for a repeated call that would be refused now.

Between two equal calls a type may have changed its model or be gone, or a limit may be lower. The idempotency key
decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from pydantic import BaseModel

from taskyard.core.errors import SubmissionError
from taskyard.core.payload.exact_json import model_json
from taskyard.core.payload.same_call import Call
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import submission
from taskyard.core.submission.validate import Limits, validate_submission
from taskyard.core.task_types.registry import Isolation, Registry, TaskType
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.core.task_types.stand_in import AnyObject, never_run

NO_LIMITS = Limits(1 << 62, 1 << 62)


class EveryType(Registry):
    """Types of any name, which take and give any object."""

    def get(self, name: str) -> TaskType:
        return TaskType(name, never_run, AnyObject, AnyObject, 1.0, RetryPolicy(), Isolation.THREAD, frozenset(), "")


def find_first(database: Database, type: Any, given: Any, options: Mapping[str, Any], now: datetime) -> str | None:
    """Returns the id of the task that the same call made; the arguments are those of `Submitter.submit`.

    Returns None without a key, or if there is no such task. Raises Unavailable.
    """
    call = _call_of(type, given, options, now)
    if call is None:
        return None
    with database.transaction() as tx:
        first = submission.find_by_key(tx, str(options["idempotency_key"]))
    return first.id if first is not None and call.is_of(first) else None


def _call_of(type: Any, given: Any, options: Mapping[str, Any], now: datetime) -> Call | None:
    """Returns what a caller gave, regardless of current types and limits.

    Returns None without a key, or if the call could never be accepted.
    """
    if not isinstance(options.get("idempotency_key"), str):
        return None
    try:
        plain = orjson.loads(model_json(given)) if isinstance(given, BaseModel) else given
        return validate_submission(type, plain, **options, registry=EveryType(), limits=NO_LIMITS, now=now).call
    except (SubmissionError, TypeError, ValueError):
        return None
