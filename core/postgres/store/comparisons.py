"""Stores hourly comparisons of placement policies by replay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from taskyard.core.postgres.database import Transaction, queries


class Comparison(NamedTuple):
    """A replay of a queue's work of a span under the acting policy and another one.

    `figures` are those of waits in seconds (mean, p50, p95, p99, longest, count) by what they are of: `recorded`,
    `replayed` (the acting policy), and the other policy's name. Without trust the replay is not like the record.
    """

    at: datetime
    queue: str
    since: datetime
    until: datetime
    tasks: int
    acting: str
    policy: str
    is_trusted: bool
    has_waited: bool
    figures: Mapping[str, Any]


def add(tx: Transaction, comparison: Comparison) -> None:
    """Stores a comparison."""
    values = comparison._asdict() | {"figures": orjson.dumps(comparison.figures).decode()}
    tx.rows(queries("comparisons")["add"], values)


def between(tx: Transaction, since: datetime, until: datetime, queue: str | None = None) -> list[Comparison]:
    """Returns the comparisons that were made in a span, of one queue or of all, oldest first."""
    parameters = {"since": since, "until": until, "queue": queue}
    return [Comparison(*row) for row in tx.rows(queries("comparisons")["between"], parameters)]


def latest(tx: Transaction, since: datetime, until: datetime) -> list[Comparison]:
    """Returns the last comparison of each queue of those that were made in a span, by queue."""
    return [Comparison(*row) for row in tx.rows(queries("comparisons")["latest"], {"since": since, "until": until})]


def last_times(tx: Transaction) -> dict[str, datetime]:
    """Returns when each queue was compared last."""
    return dict(tx.rows(queries("comparisons")["last_times"], {}))


def prune(tx: Transaction, before: datetime) -> None:
    """Deletes what is older than that."""
    tx.rows(queries("comparisons")["prune"], {"before": before})
