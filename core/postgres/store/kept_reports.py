"""Stores reports of agents that are newer than the leader, until a leader comes that understands them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from taskyard.core.payload.storable_text import storable
from taskyard.core.postgres.arrays import plain
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.protocol import Pair

MAX_REASON_BYTES = 500


@dataclass(frozen=True, slots=True)
class NewReport:
    """A report to be kept. `sender`: the agent whose own results brought it; `entry`: where it came in.

    `pairs` are the attempts that it names, `body` is its text, whatever that is.
    """

    version: int
    kind: str
    sender: str | None
    agent_id: str
    pairs: tuple[Pair, ...]
    reason: str
    body: bytes
    entry: bytes

    @property
    def digest(self) -> str:
        """Returns what tells it apart from others: a repeated one is kept once."""
        return hashlib.sha256(b"%s\0%s" % ((self.sender or "").encode(), self.body)).hexdigest()


class Kept(NamedTuple):
    """A kept report without its text; `at` is epoch seconds."""

    id: int
    at: float
    version: int
    kind: str
    sender: str | None
    agent_id: str
    pairs: tuple[Pair, ...]
    reason: str
    size_bytes: int
    digest: str


def keep(tx: Transaction, reports: Sequence[NewReport]) -> None:
    """Keeps reports; one that is kept already stays as it is."""
    given = [
        {
            "version": one.version,
            "kind": storable(one.kind, MAX_REASON_BYTES),
            "sender": one.sender,
            "agent_id": storable(one.agent_id, MAX_REASON_BYTES),
            "pairs": orjson.dumps(one.pairs).decode(),
            "reason": storable(one.reason, MAX_REASON_BYTES),
            "body": base64.b64encode(one.body).decode(),
            "digest": one.digest,
        }
        for one in reports
    ]
    tx.rows(queries("kept_reports")["keep"], {"reports": orjson.dumps(given).decode()})


def kept(tx: Transaction) -> list[Kept]:
    """Returns every kept report, in the order in which they came."""
    return [
        Kept._make((*row[:6], tuple((task_id, attempt) for task_id, attempt in row[6]), *row[7:]))
        for row in tx.rows(queries("kept_reports")["kept"], {})
    ]


def bodies(tx: Transaction, ids: Sequence[int]) -> dict[int, bytes]:
    """Returns the texts of those that are still kept, by number."""
    return {row[0]: bytes(row[1]) for row in tx.rows(queries("kept_reports")["bodies"], {"ids": plain(ids)})}


def newest_of(tx: Transaction, task_id: str) -> tuple[int, int] | None:
    """Returns number and version of the newest report on a task's current attempt; None if none is kept."""
    rows = tx.rows(queries("kept_reports")["newest_of"], {"task_id": task_id})
    return (rows[0][0], rows[0][1]) if rows else None


def done_with(tx: Transaction, ids: Sequence[int]) -> None:
    """Deletes reports that the leader has applied."""
    tx.rows(queries("kept_reports")["done_with"], {"ids": plain(ids)})


def drop(tx: Transaction, ids: Sequence[int], actor: str, reason: str) -> list[int]:
    """Deletes reports for an operator, each with an audit row; returns which were there."""
    parameters = {"ids": plain(ids), "actor": actor, "reason": reason}
    return [row[0] for row in tx.rows(queries("kept_reports")["drop"], parameters)]
