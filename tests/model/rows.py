"""What becomes of the task's row: given up, suspended, queued."""

from __future__ import annotations

from tests.model.rules import Setting
from tests.model.state import FAILED, IN_PROGRESS, PENDING, SUSPENDED, Row


def given_up(row: Row, setting: Setting) -> Row:
    """Back to the queue: an attempt that was not started is refunded; after the last one it is the end."""
    if not setting.max_attempts:
        return row._replace(state=PENDING, charged=0, boot=None)
    charged = row.charged + (row.state == IN_PROGRESS and setting.has("P10 charged"))
    state = PENDING if charged < setting.max_attempts else FAILED
    return row._replace(state=state, charged=charged, boot=None)


def is_queued(row: Row, setting: Setting, *, swept: bool = False) -> bool:
    """Whether a row belongs into the ready queue or, with a time, among the due ones (as a sweep sees it)."""
    has_time = setting.has_time and (setting.has("P18 due") or not swept)
    return row.state == PENDING or (row.state == SUSPENDED and has_time)


def suspended(row: Row, setting: Setting) -> Row:
    """Until somebody sends a signal or the time has come; at once pending if there is a signal."""
    is_there = row.answer and setting.has("P18")
    charged = row.charged + (not setting.has("P18 free"))
    return row._replace(state=PENDING if is_there else SUSPENDED, charged=charged, boot=None)
