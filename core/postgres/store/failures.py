"""Groups failures that probably have the same cause: how often, since when, where, and whether muted.

The roll-up (core.postgres.store.rollups) counts a group some seconds after its failures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import history

MAX_FAILED = 500  # tasks of one group that `failed_now` reads
MAX_RETRIED = 10_000  # the newest retried tasks of a range that `groups` counts once each
MAX_MUTE_SECONDS = 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """A group's failures in a time range: failed `attempts`, distinct `tasks` that failed for good, and attempts by
    agent.

    `first_seen`, `last_seen`, the message and the example cover all time; an agent without a name stands for attempts
    that no agent had. The last three fields are None unless the group is muted now.
    """

    fingerprint: str
    type: str
    error_class: str
    message: str
    attempts: int
    tasks: int
    agents: dict[str, int]
    first_seen: datetime
    last_seen: datetime
    example_task_id: str
    muted_until: datetime | None = None
    muted_by: str | None = None
    mute_reason: str | None = None

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        return cls(*row)

    def as_json(self) -> dict[str, Any]:
        """Returns the group as JSON, with times in ISO 8601."""
        return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(self).items()}


def groups(
    tx: Transaction,
    since: float,
    until: float,
    *,
    type: str | None = None,
    fingerprint: str | None = None,
    include_muted: bool = False,
    limit: int = 100,
) -> list[FailureGroup]:
    """Returns the failures in a range (epoch seconds), most frequent first; of a `type`, or of one group."""
    step = history.step_for(until - since)
    range_ = history.range_parameters(tx, history.begin_of(since), until, step, whole_steps=False)
    wanted = {"type": type, "fingerprint": fingerprint, "include_muted": include_muted, "limit": limit}
    parameters = {**range_, **wanted, "max_retried": MAX_RETRIED}
    return [FailureGroup.from_row(row) for row in tx.rows(queries("failures")["groups"], parameters)]


def trend(
    tx: Transaction, fingerprints: Sequence[str], since: float, until: float, step_seconds: int
) -> dict[str, list[tuple[float, int]]]:
    """Returns by fingerprint the steps of a range that have failures: (start in epoch seconds, failed attempts)."""
    parameters = {
        **history.range_parameters(tx, since, until, step_seconds),
        "fingerprints": list(fingerprints),
    }
    found: dict[str, list[tuple[float, int]]] = {fingerprint: [] for fingerprint in fingerprints}
    for fingerprint, start, attempts in tx.rows(queries("failures")["trend"], parameters):
        found[fingerprint].append((start, attempts))
    return found


def failed_now(tx: Transaction, fingerprints: Sequence[str]) -> dict[str, int]:
    """Returns how many tasks are failed now, by fingerprint; MAX_FAILED means that many or more."""
    parameters = {"fingerprints": list(fingerprints), "limit": MAX_FAILED}
    return dict(tx.rows(queries("failures")["failed_now"], parameters))


def mute(tx: Transaction, fingerprint: str, seconds: float, actor: str, reason: str) -> datetime:
    """Hides a group from lists for a while, with an audit row; returns the end of that time.

    Its failures are counted, retried and alerted on as before. Raises SubmissionError for an unknown group, or an
    invalid time.
    """
    if not 0 < seconds <= MAX_MUTE_SECONDS:
        raise refused(
            "seconds", seconds, msg("more than 0 and at most {most:.0f}, which is a year", most=MAX_MUTE_SECONDS)
        )
    parameters = {"fingerprint": fingerprint, "seconds": seconds, "actor": actor, "reason": reason}
    rows = tx.rows(queries("failures")["mute"], parameters)
    if not rows:
        raise refused("fingerprint", fingerprint, msg("that of an error group"))
    until: datetime = rows[0][0]
    return until


def unmute(tx: Transaction, fingerprint: str, actor: str) -> bool:
    """Shows a group again, with an audit row; returns False if it was not muted."""
    return bool(tx.rows(queries("failures")["unmute"], {"fingerprint": fingerprint, "actor": actor}))
