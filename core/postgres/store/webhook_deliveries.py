"""Stores the messages of webhooks: an outbox, in which each stays until it has arrived or is given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
import uuid_utils

from taskyard.core.i18n import msg
from taskyard.core.ids import first_id_at, parsed_id
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.webhooks.backoff import GIVE_UP_SECONDS
from taskyard.core.webhooks.webhook import FAILING_DAYS, PING, Delivery, DeliveryState

MAX_PAGE = 200
MAX_ANSWER_LENGTH = 500  # characters that are kept


class NewDelivery(NamedTuple):
    """A message to be sent; `webhook` is the id of its webhook."""

    webhook: str
    event: str
    task_id: str | None
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message to be sent now. `secrets` sign it; `output` is JSON text, None if the body has none."""

    id: str
    webhook_id: str
    webhook: str
    url: str
    secrets: tuple[str, ...]
    attempt: int
    body: dict[str, Any]
    output: str | None


class Due(NamedTuple):
    """A webhook with messages to send now: `waiting` of them, or more."""

    webhook_id: str
    is_failing: bool
    waiting: int


class Refused(NamedTuple):
    """What became of a message that did not arrive, and whether its webhook had only failures for FAILING_DAYS."""

    is_given_up: bool
    is_hopeless: bool


def add(tx: Transaction, new: Sequence[NewDelivery]) -> list[str]:
    """Adds messages to be sent at once; returns their ids."""
    ids = [str(uuid_utils.uuid7()) for _ in new]
    parameters = {
        "ids": plain(ids),
        "webhooks": plain(one.webhook for one in new),
        "events": plain(one.event for one in new),
        "tasks": plain(one.task_id for one in new),
        "bodies": quoted(orjson.dumps(one.body).decode() for one in new),
        "give_up_seconds": GIVE_UP_SECONDS,
    }
    tx.rows(queries("webhook_deliveries")["add"], parameters)
    return ids


def ping(tx: Transaction, webhook_id: str, name: str, body: dict[str, Any], actor: str) -> str:
    """Adds a test message; returns its id."""
    [id_] = add(tx, [NewDelivery(webhook_id, PING, None, body)])
    tx.rows(queries("webhook_deliveries")["note_ping"], {"name": name, "id": id_, "actor": actor})
    return id_


def send_again(tx: Transaction, name: str, delivery_id: str, actor: str) -> bool:
    """Sends a message of a webhook once more; returns False if it waits to be sent, or there is none. Raises
    SubmissionError for an invalid id.
    """
    parameters = {"id": _id(delivery_id), "name": name, "actor": actor, "give_up_seconds": GIVE_UP_SECONDS}
    return bool(tx.rows(queries("webhook_deliveries")["again"], parameters))


def deliveries(
    tx: Transaction, name: str | None = None, *, state: str | None = None, before: str | None = None, limit: int = 50
) -> list[Delivery]:
    """Returns the newest messages, of one webhook or all; raises SubmissionError."""
    if state is not None and state not in set(DeliveryState):
        raise refused("state", state, msg("one of {names}", names=", ".join(DeliveryState)))
    if not 1 <= limit <= MAX_PAGE:
        raise refused("limit", limit, msg("a number from 1 to {limit}", limit=MAX_PAGE))
    parameters = {"name": name, "state": state, "before": None if before is None else _id(before), "limit": limit}
    return [Delivery(*row) for row in tx.rows(queries("webhook_deliveries")["deliveries"], parameters)]


def due(tx: Transaction, limit: int) -> list[Due]:
    """Returns the enabled webhooks with messages to send now; more than `limit` of one are not counted."""
    return [Due(*row) for row in tx.rows(queries("webhook_deliveries")["due"], {"limit": limit})]


def claim(tx: Transaction, webhook_id: str, lease_seconds: float) -> Claimed | None:
    """Takes a message that is due; without an answer it is due again after the lease. None if none is due."""
    parameters = {"webhook": webhook_id, "lease_seconds": lease_seconds}
    rows = tx.rows(queries("webhook_deliveries")["claim"], parameters)
    if not rows:
        return None
    [(id_, webhook, name, url, secret, former, attempt, body, output)] = rows
    secrets = (secret,) if former is None else (secret, former)
    return Claimed(id_, webhook, name, url, secrets, attempt, body, output)


def note_delivered(tx: Transaction, sent: Claimed, status: int, answer: str) -> bool:
    """Notes that a message arrived; returns False if a newer try has begun."""
    parameters = {"id": sent.id, "attempt": sent.attempt, "status": status, "answer": _kept(answer)}
    return bool(tx.rows(queries("webhook_deliveries")["note_delivered"], parameters))


def note_refused(
    tx: Transaction, sent: Claimed, status: int | None, answer: str, *, delay_seconds: float, is_final: bool
) -> Refused | None:
    """Notes that a message did not arrive; returns None if a newer try has begun."""
    parameters = {
        "id": sent.id,
        "attempt": sent.attempt,
        "status": status,
        "answer": _kept(answer),
        "delay_seconds": delay_seconds,
        "is_final": is_final,
        "failing_days": FAILING_DAYS,
    }
    rows = tx.rows(queries("webhook_deliveries")["note_refused"], parameters)
    return Refused(*rows[0]) if rows else None


def prune(tx: Transaction, days: int, now: datetime, limit: int) -> int:
    """Removes at most `limit` messages that are older than this, whatever became of them; returns how many."""
    bound = first_id_at(now - timedelta(days=days))
    return len(tx.rows(queries("webhook_deliveries")["prune"], {"bound": bound, "limit": limit}))


def _id(value: str) -> str:
    found = parsed_id(value)
    if found is None:
        raise refused("id", value, msg("the id of a delivery"))
    return found


def _kept(answer: str) -> str:
    """Returns what is kept of an answer: text that PostgreSQL can hold."""
    return answer[:MAX_ANSWER_LENGTH].encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
