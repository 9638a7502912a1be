"""Rolls up the audit log and samples into minutes and coarser levels; see sql/queries/rollups.sql."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import orjson

from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.telemetry.histogram import GROWTH, MIN_SECONDS

MINUTE, TEN_MINUTES, HOUR, DAY = 60, 600, 3600, 86400
LEVELS = (MINUTE, TEN_MINUTES, HOUR, DAY)
PATIENCE_SECONDS = 600.0  # for transactions that stay open
SUMMARISE_TIMEOUT_MS = 100  # less than PostgreSQL's deadlock_timeout
MAX_MESSAGE_LENGTH = 2_000  # characters of a failure's message that its group keeps


@dataclass(slots=True)
class Sample:
    """A measurement of one thing in the minute from `at` (epoch seconds), as sum, least and most."""

    at: float
    source: str
    name: str
    metric: str
    count: int
    total: float
    least: float
    most: float


def summarise_times(tx: Transaction) -> None:
    """Summarises the audit log's newest blocks, so that queries of a time range skip blocks outside of it.

    Raises Busy if a VACUUM, which does the same, is under way; PostgreSQL would cancel it if this waited longer.
    """
    tx.rows(queries("retention")["lock_timeout"], {"milliseconds": str(SUMMARISE_TIMEOUT_MS)})
    tx.rows(queries("rollups")["summarise_times"], {})


def progress(tx: Transaction, level_seconds: int) -> float:
    """Returns how far a level is rolled up (epoch seconds), and locks it until this transaction ends."""
    tx.rows(queries("rollups")["one_process"], {})
    rows = tx.rows(queries("rollups")["progress"], {"level": level_seconds})
    if not rows:
        tx.rows(queries("rollups")["begin_progress"], {"level": level_seconds})
        rows = tx.rows(queries("rollups")["progress"], {"level": level_seconds})
    return float(rows[0][0])


def levels(tx: Transaction) -> dict[int, float]:
    """Returns how far each level is rolled up in epoch seconds; levels never rolled up are missing."""
    return {int(level): float(until) for level, until in tx.rows(queries("rollups")["levels"], {})}


def settled_until(tx: Transaction, patience_seconds: float = PATIENCE_SECONDS) -> float:
    """Returns the time in epoch seconds before which every event is committed."""
    return float(tx.rows(queries("rollups")["settled_until"], {"patience_seconds": patience_seconds})[0][0])


def roll_minutes(tx: Transaction, since: float, until: float) -> None:
    """Counts the events of whole minutes, and failures by fingerprint, replacing earlier counts of them."""
    span = {"level": MINUTE, "since": since, "until": until}
    tx.rows(queries("rollups")["delete_counts"], span)
    buckets = {"least": MIN_SECONDS, "log_growth": math.log(GROWTH)}
    tx.rows(queries("rollups")["count_events"], {**span, **buckets})
    tx.rows(queries("failures")["delete_failures"], span)
    tx.rows(queries("failures")["count_failures"], {**span, "message_limit": MAX_MESSAGE_LENGTH})


def roll_up(tx: Transaction, level_seconds: int, below_seconds: int, since: float, until: float) -> None:
    """Sums up whole hours or days of the level below, replacing earlier sums of them."""
    span = {"level": level_seconds, "below": below_seconds, "since": since, "until": until}
    tx.rows(queries("rollups")["delete_counts"], span)
    tx.rows(queries("rollups")["sum_counts"], span)
    tx.rows(queries("rollups")["sum_samples"], span)
    tx.rows(queries("failures")["delete_failures"], span)
    tx.rows(queries("failures")["sum_failures"], span)


def note_progress(tx: Transaction, level_seconds: int, until: float) -> None:
    """Records that a level is complete up to `until` (epoch seconds)."""
    tx.rows(queries("rollups")["set_progress"], {"level": level_seconds, "until": until})


def add_samples(tx: Transaction, samples: Iterable[Sample]) -> None:
    """Adds samples to those of their minutes."""
    listed = orjson.dumps([asdict(sample) for sample in samples]).decode()
    tx.rows(queries("rollups")["add_samples"], {"samples": listed})


def prune(tx: Transaction, level_seconds: int, until: float) -> None:
    """Deletes what a level holds from before `until` (epoch seconds)."""
    span = {"level": level_seconds, "until": until}
    tx.rows(queries("rollups")["prune_counts"], span)
    tx.rows(queries("rollups")["prune_samples"], span)
    tx.rows(queries("failures")["prune_failures"], span)


def prune_failure_groups(tx: Transaction, until: float) -> None:
    """Deletes unmuted error groups that were last seen before `until` (epoch seconds)."""
    tx.rows(queries("failures")["prune_groups"], {"until": until})
