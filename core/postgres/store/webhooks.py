"""Stores webhooks, each change with its audit row, and reads the audit log for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import uuid_utils

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.typed_text import checked
from taskyard.core.postgres.arrays import quoted
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import event_stream
from taskyard.core.postgres.store.event_stream import Horizon
from taskyard.core.webhooks.key import new_secret
from taskyard.core.webhooks.webhook import FORMER_SECONDS, Webhook, WebhookFields, check_hook_name

WORKER = "worker"  # who disables webhooks that nobody answers


@dataclass(frozen=True, slots=True)
class Listener:
    """An enabled webhook: what it is told of, of transactions from one on."""

    id: str
    queues: tuple[str, ...]
    types: tuple[str, ...]
    outcomes: tuple[str, ...]
    from_transaction: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a task as the audit log has it; `outcome` is the state it ended in."""

    transaction: int
    task_id: str
    outcome: str
    at: datetime
    attempt: int | None
    queue: str | None
    type: str | None
    title: str | None
    workflow_id: str | None
    created_by: str | None
    created_at: datetime | None
    wait_seconds: float | None
    run_seconds: float | None
    total_seconds: float | None
    error_class: str | None
    error_fingerprint: str | None


def webhooks(tx: Transaction) -> list[Webhook]:
    """Returns all webhooks by name."""
    return [_webhook(row) for row in tx.rows(queries("webhooks")["webhooks"], {"name": None})]


def find(tx: Transaction, name: str) -> Webhook | None:
    """Returns the webhook of a name; raises SubmissionError for an invalid name."""
    rows = tx.rows(queries("webhooks")["webhooks"], {"name": check_hook_name(name)})
    return _webhook(rows[0]) if rows else None


def get(tx: Transaction, name: str) -> Webhook:
    """Returns the webhook of a name; raises SubmissionError."""
    found = find(tx, name)
    if found is None:
        raise refused("name", name, msg("the name of a webhook"))
    return found


def create(tx: Transaction, name: str, fields: WebhookFields, actor: str) -> str:
    """Adds a webhook that is told of what ends from now on; returns its secret. Raises SubmissionError."""
    secret, start = new_secret(), _begin(tx)
    parameters = {
        **_parameters(check_hook_name(name), fields, actor),
        "id": str(uuid_utils.uuid7()),
        "secret": secret,
        "transaction": start.transaction,
    }
    if not tx.rows(queries("webhooks")["create_webhook"], parameters):
        raise refused("name", name, msg("a name that no webhook has"))
    return secret


def change(tx: Transaction, name: str, fields: WebhookFields, actor: str) -> bool:
    """Changes what a webhook is told of, and where; returns False if it was like that. Raises SubmissionError."""
    get(tx, name)
    return bool(tx.rows(queries("webhooks")["change_webhook"], _parameters(name, fields, actor)))


def delete(tx: Transaction, name: str, actor: str) -> bool:
    """Removes a webhook with its deliveries; returns False if there is none. Raises SubmissionError."""
    parameters = {"name": check_hook_name(name), "actor": actor}
    tx.rows(queries("webhooks")["delete_deliveries"], parameters)
    return bool(tx.rows(queries("webhooks")["delete_webhook"], parameters))


def disable(tx: Transaction, name: str, actor: str, reason: str = "") -> bool:
    """Sends nothing more; returns False if it was disabled. Raises SubmissionError."""
    get(tx, name)
    return _disable(tx, name, None, actor, checked("reason", reason, is_required=False))


def disable_failing(tx: Transaction, webhook_id: str, reason: str) -> bool:
    """Disables a webhook by its id, because nobody answers it; returns False if it was disabled."""
    return _disable(tx, None, webhook_id, WORKER, reason)


def enable(tx: Transaction, name: str, actor: str) -> bool:
    """Sends again, what waits and what ends from now on; returns False if it was enabled. Raises SubmissionError."""
    if get(tx, name).disabled_at is None:
        return False
    parameters = {"name": name, "actor": actor, "transaction": _begin(tx).transaction}
    return bool(tx.rows(queries("webhooks")["enable_webhook"], parameters))


def rotate_secret(tx: Transaction, name: str, actor: str) -> str:
    """Gives a webhook a new secret and returns it; the former one also signs for FORMER_SECONDS. Raises
    SubmissionError.
    """
    get(tx, name)
    secret = new_secret()
    parameters = {"name": name, "actor": actor, "secret": secret, "seconds": FORMER_SECONDS}
    tx.rows(queries("webhooks")["rotate_secret"], parameters)
    return secret


def disabled_by_worker(tx: Transaction) -> list[str]:
    """Returns the names of the webhooks that the worker has disabled."""
    return [name for (name,) in tx.rows(queries("webhooks")["disabled_by_worker"], {"actor": WORKER})]


def is_any_enabled(tx: Transaction) -> bool:
    """Returns True if somebody is to be told."""
    return bool(tx.rows(queries("webhooks")["is_any_enabled"], {}))


def lock_feed(tx: Transaction) -> Horizon | None:
    """Returns the place up to which the audit log was read, and keeps others from reading it; None if it never was."""
    rows = tx.rows(queries("webhooks")["lock_feed"], {})
    return Horizon(*rows[0]) if rows else None


def move_feed(tx: Transaction, reached: Horizon) -> None:
    """Notes up to where the audit log was read."""
    tx.rows(queries("webhooks")["move_feed"], {"transaction": reached.transaction, "since": reached.since})


def listeners(tx: Transaction) -> list[Listener]:
    """Returns the enabled webhooks."""
    return [
        Listener(id_, tuple(queues), tuple(types), tuple(outcomes), start)
        for id_, queues, types, outcomes, start in tx.rows(queries("webhooks")["listeners"], {})
    ]


def ended(tx: Transaction, low: Horizon, high: int, limit: int | None) -> list[Ended]:
    """Returns the first ends of tasks that transactions from a horizon up to another transaction wrote."""
    asked = {"low": low.transaction, "high": high, "since": low.since, "limit": limit}
    return [Ended(*row) for row in tx.rows(queries("webhooks")["ended"], asked)]


def _begin(tx: Transaction) -> Horizon:
    """Returns the place from which a webhook is told, at or behind which the audit log is read from now on."""
    start = event_stream.horizon(tx)
    tx.rows(queries("webhooks")["begin_feed"], {"transaction": start.transaction, "since": start.since})
    return start


def _disable(tx: Transaction, name: str | None, id_: str | None, actor: str, reason: str) -> bool:
    parameters = {"name": name, "id": id_, "actor": actor, "reason": reason}
    return bool(tx.rows(queries("webhooks")["disable_webhook"], parameters))


def _parameters(name: str, fields: WebhookFields, actor: str) -> dict[str, object]:
    return {
        "name": name,
        "url": fields.url,
        "queues": quoted(fields.queues),
        "types": quoted(fields.types),
        "outcomes": quoted(fields.outcomes),
        "has_output": fields.has_output,
        "actor": actor,
    }


def _webhook(row: Sequence[Any]) -> Webhook:
    id_, name, url, queues, types, outcomes, *rest = row
    return Webhook(id_, name, url, tuple(queues), tuple(types), tuple(outcomes), *rest)
