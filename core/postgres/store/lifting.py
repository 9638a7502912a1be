"""Finds and lifts tasks that have waited unusually long; see core.scheduling.lifting."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from taskyard.core.ids import first_id_at
from taskyard.core.models import Waiting
from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.history import begin_of, range_parameters
from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.scheduling.lifting import Lift
from taskyard.core.telemetry.histogram import Histogram


class Lifted(NamedTuple):
    """A task's place in its queue before and after it was lifted."""

    was: Waiting
    now: Waiting


def waits(tx: Transaction, queues: Sequence[str], since: float, until: float) -> dict[str, Histogram]:
    """Returns the waits of these queues in a range (epoch seconds), as far as rolled up; those without are missing."""
    parameters = range_parameters(tx, begin_of(since), until, HOUR, whole_steps=False) | {"queues": list(queues)}
    rows = tx.rows(queries("lifting")["waits"], parameters)
    return {queue: Histogram(dict(zip(buckets, counts, strict=True))) for queue, buckets, counts in rows}


def overdue(
    tx: Transaction, lifts: Sequence[Lift], after: str, before: datetime, scanned: int, limit: int
) -> tuple[list[str], str | None]:
    """Returns up to `limit` tasks that these lifts are due to, and after which id to go on (None: at the begin).

    Looks at no more than `scanned` unfinished tasks: those after the id `after` that were submitted before a time.
    """
    bounds = {"after": after, "before": first_id_at(before), "scanned": scanned, "limit": limit}
    ids, last = tx.rows(queries("lifting")["overdue"], _parameters(lifts) | bounds)[0]
    return ids, ids[-1] if len(ids) == limit else last


def lift(tx: Transaction, lifts: Sequence[Lift], ids: Sequence[str], actor: str) -> list[Lifted]:
    """Lifts these tasks, each with an audit event; leaves out who waits no longer, or is locked."""
    rows = tx.rows(queries("lifting")["lift"], _parameters(lifts) | {"ids": plain(ids), "actor": actor})
    return [Lifted(waiting._replace(head_start=row[8]), waiting) for row in rows for waiting in [Waiting.from_row(row)]]


def _parameters(lifts: Sequence[Lift]) -> dict[str, Any]:
    return {
        "lanes": quoted(str(one.lane) for one in lifts),
        "limits": plain(one.limit_seconds for one in lifts),
        "head_starts": plain(one.head_start for one in lifts),
    }
