"""Reads the storage on disk and in Redis, and the age of its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from taskyard.core.access.identity import Actor
from taskyard.core.i18n import N_
from taskyard.core.postgres.store import live_counts, retention, system
from taskyard.core.postgres.store.rollups import DAY, HOUR, LEVELS, MINUTE, TEN_MINUTES
from taskyard.core.postgres.store.system import Index, Relation
from taskyard.core.redis.usage import RedisMemory, usage
from taskyard.dashboard.data.base import Servers
from taskyard.dashboard.data.readings import seen

STORAGE_SECONDS = 30.0  # it reads every file of the database
NAMES = {
    "retention_tasks_days": N_("Finished tasks"),
    "retention_events_days": N_("Audit log"),
    "retention_agents_days": N_("Agents that left"),
    "retention_alerts_days": N_("Resolved alerts"),
    "retention_minutes_days": N_("Counts and samples of each minute"),
    "retention_ten_minutes_days": N_("Counts and samples of each ten minutes"),
    "retention_hours_days": N_("Counts and samples of each hour"),
    "retention_days_days": N_("Counts and samples of each day"),
}


@dataclass(frozen=True, slots=True)
class Kept:
    """The retention of some data (0 days: for ever), its setting, and the age of its oldest part.

    `name` is in English.
    """

    name: str
    setting: str
    days: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Storage:
    """Sizes in bytes; `rows` of relations are estimates. `partitions` are those of the audit log, newest first.

    `tables` has the audit log once, with all its partitions' numbers.
    """

    database_bytes: int
    tables: Sequence[Relation]
    partitions: Sequence[Relation]
    indexes: Sequence[Index]
    redis: RedisMemory
    kept: Sequence[Kept]


@seen(ttl_seconds=STORAGE_SECONDS, is_whole=True)
def storage(servers: Servers, _sight: Actor) -> Storage:
    """Returns the current storage."""
    with servers.database.transaction() as tx:
        database_bytes = live_counts.database_size_bytes(tx)
        relations = system.relations(tx)
        indexes = system.indexes(tx)
        oldest = system.oldest(tx)
        metrics = system.oldest_metrics(tx, LEVELS)
    partitions = sorted((r for r in relations if r.parent), key=lambda r: r.name, reverse=True)
    tables = [r for r in relations if not r.parent]
    tables += [_whole(parent, partitions) for parent in sorted({r.parent for r in partitions if r.parent})]
    return Storage(
        database_bytes=database_bytes,
        tables=sorted(tables, key=lambda r: r.bytes, reverse=True),
        partitions=partitions,
        indexes=indexes,
        redis=usage(servers.broker.redis, servers.broker.keys),
        kept=_kept(servers, oldest, _oldest_day(partitions), metrics),
    )


def _whole(parent: str, partitions: Sequence[Relation]) -> Relation:
    """Returns a partitioned table as the sum of its partitions."""
    parts = [r for r in partitions if r.parent == parent]
    vacuumed = [r.vacuumed_at for r in parts if r.vacuumed_at]
    return Relation(
        parent,
        None,
        table_bytes=sum(r.table_bytes for r in parts),
        index_bytes=sum(r.index_bytes for r in parts),
        rows=sum(r.rows for r in parts),
        dead_rows=sum(r.dead_rows for r in parts),
        vacuumed_at=max(vacuumed, default=None),
    )


def _oldest_day(partitions: Sequence[Relation]) -> datetime | None:
    """Returns the day of the oldest partition that has rows by the server's estimate."""
    days = [retention.day_of(r.name) for r in partitions if r.rows]
    day = min((day for day in days if day is not None), default=None)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


def _kept(
    servers: Servers, oldest: system.Oldest, first_event: datetime | None, metrics: dict[int, datetime | None]
) -> list[Kept]:
    known = {
        "retention_tasks_days": oldest.tasks,
        "retention_events_days": first_event,
        "retention_agents_days": oldest.agents,
        "retention_alerts_days": oldest.alerts,
        "retention_minutes_days": metrics[MINUTE],
        "retention_ten_minutes_days": metrics[TEN_MINUTES],
        "retention_hours_days": metrics[HOUR],
        "retention_days_days": metrics[DAY],
    }
    return [
        Kept(NAMES[setting], setting, getattr(servers.settings, setting), moment) for setting, moment in known.items()
    ]
