"""Limits the pending tasks of one creator; tasks over the limit are refused before they are stored."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.new_task import Submission
from taskyard.core.postgres.database import Transaction, queries


def over_limit(tx: Transaction, submissions: Sequence[Submission]) -> dict[str, SubmissionError]:
    """Returns the submissions over their creator's limit, with the reason, by id.

    Without a limit nothing is read. Pending are tasks that no agent has been given. Transactions that commit at the
    same moment do not see each other's tasks, so together they may exceed a creator's limit.
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
