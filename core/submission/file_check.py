"""Checks a file of tasks as its sender's submission, in the same way for the page Submit and the API."""

from __future__ import annotations

from taskyard.core.postgres.store import submission_status, tasks
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.bulk_file import read_file
from taskyard.core.submission.bulk_rows import Checked, check_rows
from taskyard.core.submission.open_servers import Servers
from taskyard.core.submission.validate import Limits


def check_file(servers: Servers, permitted: Authorized, content: bytes, name: str) -> tuple[Checked, int]:
    """Returns what each row would submit and the problems of the others, and how many rows are tasks already.

    Types that agents published are known, and what the sender may not submit is a problem of its row. Raises
    SubmissionError if the file can't be read as a whole, and Unavailable.
    """
    current = servers.settings
    limits = Limits(current.input_limit_bytes, current.output_limit_bytes, current.pending_limit_per_creator)
    with servers.database.transaction() as tx:
        now = tasks.now(tx)
    checked = check_rows(
        read_file(content, name, current.input_limit_bytes),
        servers.registry,
        limits,
        now,
        published=servers.published,
        refusal_of=permitted.refusal_of,
    )
    keys = [row.arguments["idempotency_key"] for row in checked.submittable]
    with servers.database.transaction() as tx:
        return checked, submission_status.known_keys(tx, keys)
