"""Removes data older than its retention, in small portions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import orjson

from taskyard.core.ids import first_id_at
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.recovery import NIL

PARTITION_PREFIX = "task_events_"
# Submitters make the ids by their own clocks; a task whose submitter's clock was ahead is only removed later.
CLOCK_MARGIN = timedelta(days=1)


def old_tasks(tx: Transaction, days: int, now: datetime) -> int:
    """Returns how many tasks ended more than `days` ago."""
    parameters = {"bound": _bound(days, now), "days": days}
    return int(tx.rows(queries("retention")["old_tasks"], parameters)[0][0])


def prune_tasks(tx: Transaction, days: int, now: datetime, after: str | None, limit: int) -> tuple[int, str | None]:
    """Removes at most `limit` of them behind the id `after`.

    Returns how many, and the id to continue behind (None: no more). Locked rows are left.
    """
    parameters = {"bound": _bound(days, now), "days": days, "after": after or NIL, "limit": limit}
    count, last = tx.rows(queries("retention")["prune_tasks"], parameters)[0]
    return int(count), last if count == limit else None


def old_partitions(tx: Transaction, days: int, today: date) -> list[str]:
    """Returns the audit log's daily partitions that are entirely older than `days`."""
    names = sorted(row[0] for row in tx.rows(queries("recovery")["partitions"], {}))
    return [name for name in names if (day := day_of(name)) is not None and day < today - timedelta(days=days)]


def drop_partition(tx: Transaction, name: str, lock_timeout_ms: int) -> None:
    """Drops one of `old_partitions`; raises Busy if the log stays in use for that long."""
    tx.rows(queries("retention")["lock_timeout"], {"milliseconds": str(lock_timeout_ms)})
    tx.rows(queries("retention")["drop_partition"].format(name=name), {})


def old_default_events(tx: Transaction, days: int) -> int:
    """Returns how many events in the default partition are older than `days`."""
    return int(tx.rows(queries("retention")["old_default_events"], {"days": days})[0][0])


def prune_default_events(tx: Transaction, days: int, limit: int) -> int:
    """Removes at most `limit` of them; returns how many."""
    return int(tx.rows(queries("retention")["prune_default_events"], {"days": days, "limit": limit})[0][0])


def old_agents(tx: Transaction, days: int) -> int:
    """Returns how many boots of agents ended more than `days` ago."""
    return int(tx.rows(queries("retention")["old_agents"], {"days": days})[0][0])


def prune_agents(tx: Transaction, days: int) -> int:
    """Removes them; returns how many."""
    return int(tx.rows(queries("retention")["prune_agents"], {"days": days})[0][0])


def note(tx: Transaction, actor: str, removed: dict[str, int]) -> None:
    """Writes the audit row of a pruning."""
    tx.rows(queries("retention")["note_pruning"], {"actor": actor, "detail": orjson.dumps(removed).decode()})


def _bound(days: int, now: datetime) -> str:
    """Returns an id later than that of every task that can have ended so long ago."""
    return first_id_at(now - timedelta(days=days) + CLOCK_MARGIN)


def day_of(partition: str) -> date | None:
    """Returns the day of a partition of the audit log by its name; None for the default one."""
    try:
        return datetime.strptime(partition.removeprefix(PARTITION_PREFIX), "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
