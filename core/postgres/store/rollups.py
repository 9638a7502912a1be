"""The roll-up of the audit log, and of samples, into minutes and what they add up to; see sql/queries/rollups.sql."""

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
    """What was measured of one thing in the minute that began at `at` (epoch seconds), as sum, least and most."""

    at: float
    source: str
    name: str
    metric: str
    count: int
    total: float
    least: float
    most: float


def summarise_times(tx: Transaction) -> None:
    """Has a question about a range of time not read what was written outside of it lately.

    The transaction ends in Busy if a VACUUM is under way, which does the same. PostgreSQL would have
    it cancelled if this waited longer.
    """
    tx.rows(queries("retention")["lock_timeout"], {"milliseconds": str(SUMMARISE_TIMEOUT_MS)})
    tx.rows(queries("rollups")["summarise_times"], {})


def progress(tx: Transaction, level_seconds: int) -> float:
    """How far a level has come in epoch seconds; nobody else rolls it up until this transaction ends."""
    tx.rows(queries("rollups")["one_process"], {})
    rows = tx.rows(queries("rollups")["progress"], {"level": level_seconds})
    if not rows:
        tx.rows(queries("rollups")["begin_progress"], {"level": level_seconds})
        rows = tx.rows(queries("rollups")["progress"], {"level": level_seconds})
    return float(rows[0][0])


def levels(tx: Transaction) -> dict[int, float]:
    """How far each level has come, in epoch seconds; those that were never rolled up are missing."""
    return {int(level): float(until) for level, until in tx.rows(queries("rollups")["levels"], {})}


def settled_until(tx: Transaction, patience_seconds: float = PATIENCE_SECONDS) -> float:
    """The time, in epoch seconds, before which every event is committed."""
    return float(tx.rows(queries("rollups")["settled_until"], {"patience_seconds": patience_seconds})[0][0])


def roll_minutes(tx: Transaction, since: float, until: float) -> None:
    """Counts the events of whole minutes, and failures by fingerprint, in place of what was counted of them before."""
    span = {"level": MINUTE, "since": since, "until": until}
    tx.rows(queries("rollups")["delete_counts"], span)
    buckets = {"least": MIN_SECONDS, "log_growth": math.log(GROWTH)}
    tx.rows(queries("rollups")["count_events"], {**span, **buckets})
    tx.rows(queries("failures")["delete_failures"], span)
    tx.rows(queries("failures")["count_failures"], {**span, "message_limit": MAX_MESSAGE_LENGTH})


def roll_up(tx: Transaction, level_seconds: int, below_seconds: int, since: float, until: float) -> None:
    """Sums up whole hours or days of the level below, in place of what was summed up of them before."""
    span = {"level": level_seconds, "below": below_seconds, "since": since, "until": until}
    tx.rows(queries("rollups")["delete_counts"], span)
    tx.rows(queries("rollups")["sum_counts"], span)
    tx.rows(queries("rollups")["sum_samples"], span)
    tx.rows(queries("failures")["delete_failures"], span)
    tx.rows(queries("failures")["sum_failures"], span)


def note_progress(tx: Transaction, level_seconds: int, until: float) -> None:
    """All before `until` (epoch seconds) is counted at this level."""
    tx.rows(queries("rollups")["set_progress"], {"level": level_seconds, "until": until})


def add_samples(tx: Transaction, samples: Iterable[Sample]) -> None:
    """Adds samples to what their minutes already hold."""
    listed = orjson.dumps([asdict(sample) for sample in samples]).decode()
    tx.rows(queries("rollups")["add_samples"], {"samples": listed})


def prune(tx: Transaction, level_seconds: int, until: float) -> None:
    """Forgets what a level holds from before `until` (epoch seconds)."""
    span = {"level": level_seconds, "until": until}
    tx.rows(queries("rollups")["prune_counts"], span)
    tx.rows(queries("rollups")["prune_samples"], span)
    tx.rows(queries("failures")["prune_failures"], span)


def prune_failure_groups(tx: Transaction, until: float) -> None:
    """Forgets groups of failures that were last seen before `until` (epoch seconds) and are not muted."""
    tx.rows(queries("failures")["prune_groups"], {"until": until})
