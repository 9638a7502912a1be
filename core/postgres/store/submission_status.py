"""Reads the status of submitted tasks for their submitters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries


@dataclass(frozen=True, slots=True)
class SubmissionStatus:
    """The status of one task. `output` is None if there is none, or if it is longer than requested."""

    id: str
    type: str
    title: str | None
    state: str
    progress: float | None
    progress_message: str | None
    attempt: int
    max_attempts: int
    agent_id: str | None
    created_at: datetime
    run_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    error: Mapping[str, Any] | None
    output: Any
    has_output: bool


@dataclass(frozen=True, slots=True)
class Unsuccessful:
    """A task that failed or was cancelled, with its error's class and message, cut."""

    id: str
    type: str
    title: str | None
    state: str
    error_class: str | None
    message: str | None


def standings(tx: Transaction, ids: Sequence[str], output_bytes: int) -> dict[str, SubmissionStatus]:
    """Returns these tasks' status by id, with outputs of at most `output_bytes` of JSON.

    Unknown tasks are left out.
    """
    rows = tx.rows(queries("submission_status")["standings"], {"ids": plain(ids), "output_bytes": output_bytes})
    return {
        id_: SubmissionStatus(  # type: ignore[call-arg]  # as many as it has
            id_, *rest, orjson.loads(error or "null"), orjson.loads(output or "null"), has_output
        )
        for id_, *rest, error, output, has_output in rows
    }


def states_of(tx: Transaction, ids: Sequence[str]) -> dict[str, int]:
    """Returns how many of these tasks are in each state."""
    return dict(tx.rows(queries("submission_status")["states_of"], {"ids": plain(ids)}))


def unsuccessful(tx: Transaction, ids: Sequence[str], limit: int) -> list[Unsuccessful]:
    """Returns the first `limit` of these tasks that failed or were cancelled."""
    rows = tx.rows(queries("submission_status")["failed_of"], {"ids": plain(ids), "limit": limit})
    return [Unsuccessful(*row) for row in rows]


def known_keys(tx: Transaction, keys: Sequence[str]) -> int:
    """Returns how many of these idempotency keys belong to tasks."""
    return int(tx.rows(queries("submission_status")["known_keys"], {"keys": quoted(keys)})[0][0])
