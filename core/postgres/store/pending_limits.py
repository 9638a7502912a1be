"""How many tasks of one creator may wait: what is over the limit is refused before it is stored."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.models import Submission
from taskyard.core.postgres.database import Transaction, queries


def over_limit(tx: Transaction, submissions: Sequence[Submission]) -> dict[str, SubmissionError]:
    """By id, the submissions that would bring their creator over its limit, and why.

    Without a limit nothing is asked. Waiting are tasks that were not given to an agent yet. Transactions that commit
    at the same moment do not see each other's tasks, so a creator may pass its limit by what they bring together.
    """
    if not submissions or not submissions[0].pending_limit:
        return {}
    names = sorted({submission.created_by for submission in submissions})
    waiting = dict(tx.rows(queries("submission")["waiting_of_creators"], {"creators": names}))
    refused: dict[str, SubmissionError] = {}
    for submission in submissions:
        name, limit = submission.created_by, submission.pending_limit
        count = waiting.get(name, 0)
        if count < limit:
            waiting[name] = count + 1
        else:
            expected = msg(
                "a creator with fewer than {limit:,} waiting tasks, but this one has {count:,}: wait until some have "
                "started, or raise TASKYARD_PENDING_LIMIT_PER_CREATOR",
                limit=limit,
                count=count,
            )
            refused[submission.id] = SubmissionError("created_by", name, expected)
    return refused
