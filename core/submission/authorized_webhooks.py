"""Manages webhooks, and has their messages sent again, as far as an actor may.

A webhook carries what happens here out of the house, so only who manages access makes one or changes where it goes.
Whoever reads the audit log sees webhooks and deliveries, and whoever operates tasks has messages sent again. All of it
is about all queues and types: a narrowed role does not suffice. Everything raises NotPermitted in addition to the
store's errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.config import Settings
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import webhook_deliveries, webhooks
from taskyard.core.webhooks.body import ping_body
from taskyard.core.webhooks.webhook import OUTCOMES, Delivery, Webhook, check_fields


def list_webhooks(tx: Transaction, actor: Actor) -> list[Webhook]:
    """See core.postgres.store.webhooks."""
    _check(actor, Permission.AUDIT_EXPORT)
    return webhooks.webhooks(tx)


def find(tx: Transaction, actor: Actor, name: str) -> Webhook | None:
    """See core.postgres.store.webhooks."""
    _check(actor, Permission.AUDIT_EXPORT)
    return webhooks.find(tx, name)


def list_deliveries(
    tx: Transaction,
    actor: Actor,
    name: str | None = None,
    *,
    state: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Delivery]:
    """See core.postgres.store.webhook_deliveries."""
    _check(actor, Permission.AUDIT_EXPORT)
    return webhook_deliveries.deliveries(tx, name, state=state, before=before, limit=limit)


def create(
    tx: Transaction,
    actor: Actor,
    settings: Settings,
    name: str,
    url: str,
    *,
    queues: Sequence[str] = (EVERY,),
    types: Sequence[str] = (EVERY,),
    outcomes: Sequence[str] = OUTCOMES,
    has_output: bool = False,
) -> str:
    """Adds a webhook and returns its secret; to send outputs its maker must be permitted to see them."""
    _check_change(actor, has_output)
    fields = check_fields(
        url,
        queues=queues,
        types=types,
        outcomes=outcomes,
        has_output=has_output,
        allow_private=settings.webhook_private_addresses,
    )
    return webhooks.create(tx, name, fields, actor.name)


def change(
    tx: Transaction,
    actor: Actor,
    settings: Settings,
    name: str,
    *,
    url: str | None = None,
    queues: Sequence[str] | None = None,
    types: Sequence[str] | None = None,
    outcomes: Sequence[str] | None = None,
    has_output: bool | None = None,
) -> bool:
    """Changes what is given of a webhook, and leaves the rest; returns False if it was like that."""
    _check(actor, Permission.ACCESS_MANAGE)
    known = webhooks.get(tx, name)
    fields = check_fields(
        known.url if url is None else url,
        queues=known.queues if queues is None else queues,
        types=known.types if types is None else types,
        outcomes=known.outcomes if outcomes is None else outcomes,
        has_output=known.has_output if has_output is None else has_output,
        allow_private=settings.webhook_private_addresses,
    )
    _check_change(actor, fields.has_output)
    return webhooks.change(tx, name, fields, actor.name)


def delete(tx: Transaction, actor: Actor, name: str) -> bool:
    """See core.postgres.store.webhooks."""
    _check(actor, Permission.ACCESS_MANAGE)
    return webhooks.delete(tx, name, actor.name)


def disable(tx: Transaction, actor: Actor, name: str, reason: str = "") -> bool:
    """See core.postgres.store.webhooks."""
    _check(actor, Permission.ACCESS_MANAGE)
    return webhooks.disable(tx, name, actor.name, reason)


def enable(tx: Transaction, actor: Actor, name: str) -> bool:
    """See core.postgres.store.webhooks."""
    _check(actor, Permission.ACCESS_MANAGE)
    return webhooks.enable(tx, name, actor.name)


def rotate_secret(tx: Transaction, actor: Actor, name: str) -> str:
    """See core.postgres.store.webhooks."""
    _check(actor, Permission.ACCESS_MANAGE)
    return webhooks.rotate_secret(tx, name, actor.name)


def ping(tx: Transaction, actor: Actor, name: str) -> str:
    """Sends a test message and returns the id of its delivery; the webhook must be enabled."""
    _check(actor, Permission.TASK_OPERATE)
    known = webhooks.get(tx, name)
    if known.disabled_at is not None:
        raise refused("name", name, msg("the name of an enabled webhook"))
    return webhook_deliveries.ping(tx, known.id, name, ping_body(name, datetime.now(UTC)), actor.name)


def send_again(tx: Transaction, actor: Actor, name: str, delivery_id: str) -> bool:
    """See core.postgres.store.webhook_deliveries."""
    _check(actor, Permission.TASK_OPERATE)
    return webhook_deliveries.send_again(tx, name, delivery_id, actor.name)


def _check_change(actor: Actor, has_output: bool) -> None:
    _check(actor, Permission.ACCESS_MANAGE)
    if has_output:
        _check(actor, Permission.PAYLOAD_READ)


def _check(actor: Actor, permission: Permission) -> None:
    actor.require(permission, queue=EVERY, type_=EVERY)
