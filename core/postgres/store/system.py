"""Reads the disk space of our tables and indexes, and the age of their data; see sql/queries/system.sql."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from taskyard.core.postgres.database import Transaction, queries


class Relation(NamedTuple):
    """A table or a partition of `parent`. `rows` and `dead_rows` are the server's estimates."""

    name: str
    parent: str | None
    table_bytes: int
    index_bytes: int
    rows: int
    dead_rows: int
    vacuumed_at: datetime | None

    @property
    def bytes(self) -> int:
        return self.table_bytes + self.index_bytes


class Index(NamedTuple):
    """An index with all its partitions. `scans` counts since the server's statistics were last reset."""

    name: str
    table: str
    bytes: int
    scans: int


class Oldest(NamedTuple):
    """The times of the oldest data of each kind; None if there is none."""

    tasks: datetime | None
    agents: datetime | None
    alerts: datetime | None


def relations(tx: Transaction) -> list[Relation]:
    """Returns our tables and their partitions."""
    return [Relation(*row) for row in tx.rows(queries("system")["relations"], {})]


def indexes(tx: Transaction) -> list[Index]:
    """Returns our indexes, largest first."""
    return [Index(*row) for row in tx.rows(queries("system")["indexes"], {})]


def oldest(tx: Transaction) -> Oldest:
    """Returns the times of the oldest ended task, ended agent and resolved alert."""
    return Oldest(*tx.rows(queries("system")["oldest"], {})[0])


def oldest_metrics(tx: Transaction, levels: Sequence[int]) -> dict[int, datetime | None]:
    """Returns the times of the oldest counts and samples of each level (seconds)."""
    return dict(tx.rows(queries("system")["oldest_metrics"], {"levels": list(levels)}))


def schema_version(tx: Transaction) -> str:
    """Returns the revision of the schema."""
    return str(tx.rows(queries("system")["schema_version"], {})[0][0])


def started(tx: Transaction) -> datetime:
    """Returns the server's start time."""
    return tx.rows(queries("system")["started"], {})[0][0]  # type: ignore[no-any-return]
