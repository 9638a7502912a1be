"""Stores hooks, by which others submit tasks; each change with its audit row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import uuid_utils

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.arrays import quoted
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.webhooks.hook import Hook, HookFields, check_secret
from taskyard.core.webhooks.key import new_secret
from taskyard.core.webhooks.schemes import Scheme
from taskyard.core.webhooks.webhook import FORMER_SECONDS, check_hook_name


def hooks(tx: Transaction) -> list[Hook]:
    """Returns all hooks by name."""
    return [_hook(row) for row in tx.rows(queries("hooks")["hooks"], {"name": None})]


def find(tx: Transaction, name: str) -> Hook | None:
    """Returns the hook of a name; raises SubmissionError for an invalid name."""
    rows = tx.rows(queries("hooks")["hooks"], {"name": check_hook_name(name)})
    return _hook(rows[0]) if rows else None


def get(tx: Transaction, name: str) -> Hook:
    """Returns the hook of a name; raises SubmissionError."""
    found = find(tx, name)
    if found is None:
        raise refused("name", name, msg("the name of a hook"))
    return found


def secrets_of(tx: Transaction, name: str) -> tuple[str, ...]:
    """Returns the secrets of an enabled hook that count now; none for any other name."""
    rows = tx.rows(queries("hooks")["secrets"], {"name": name})
    return tuple(secret for secret in rows[0] if secret is not None) if rows else ()


def create(
    tx: Transaction, name: str, fields: HookFields, actor: str, *, may_run_code: bool, secret: str | None = None
) -> str:
    """Adds a hook; returns its secret, a new one if none is given. Raises SubmissionError."""
    own = new_secret() if secret is None else check_secret(fields.scheme, secret)
    parameters = {
        **_parameters(check_hook_name(name), fields, actor, may_run_code),
        "id": str(uuid_utils.uuid7()),
        "scheme": fields.scheme.value,
        "secret": own,
    }
    if not tx.rows(queries("hooks")["create_hook"], parameters):
        raise refused("name", name, msg("a name that no hook has"))
    return own


def change(tx: Transaction, name: str, fields: HookFields, actor: str, *, may_run_code: bool) -> bool:
    """Changes what a hook submits; returns False if it was like that. Raises SubmissionError."""
    get(tx, name)
    return bool(tx.rows(queries("hooks")["change_hook"], _parameters(name, fields, actor, may_run_code)))


def delete(tx: Transaction, name: str, actor: str) -> bool:
    """Removes a hook; returns False if there is none. Raises SubmissionError."""
    return bool(tx.rows(queries("hooks")["delete_hook"], {"name": check_hook_name(name), "actor": actor}))


def switch(tx: Transaction, name: str, actor: str, *, is_disabled: bool) -> bool:
    """Enables or disables a hook; returns False if it was like that. Raises SubmissionError."""
    get(tx, name)
    parameters = {"name": name, "actor": actor, "is_disabled": is_disabled}
    return bool(tx.rows(queries("hooks")["switch_hook"], parameters))


def rotate_secret(tx: Transaction, name: str, actor: str, secret: str | None = None) -> str:
    """Gives a hook another secret and returns it; the former one also counts for FORMER_SECONDS. Raises
    SubmissionError.
    """
    known = get(tx, name)
    own = new_secret() if secret is None else check_secret(known.scheme, secret)
    parameters = {"name": name, "actor": actor, "secret": own, "seconds": FORMER_SECONDS}
    tx.rows(queries("hooks")["rotate_secret"], parameters)
    return own


def note_used(tx: Transaction, name: str) -> None:
    """Notes that a hook was used, at most once a minute."""
    tx.rows(queries("hooks")["note_used"], {"name": name})


def note_refused(tx: Transaction, name: str, reason: str, address: str) -> None:
    """Notes in the audit log that a hook's caller was refused, at most once a minute."""
    tx.rows(queries("hooks")["note_refused"], {"name": name, "reason": reason, "address": address})


def _parameters(name: str, fields: HookFields, actor: str, may_run_code: bool) -> dict[str, object]:
    return {
        "name": name,
        "type": fields.type,
        "queue": fields.queue,
        "priority": fields.priority,
        "template": orjson.dumps(fields.template).decode(),
        "events": quoted(fields.events),
        "may_run_code": may_run_code,
        "actor": actor,
    }


def _hook(row: Sequence[Any]) -> Hook:
    id_, name, scheme, type_, queue, priority, template, events, *rest = row
    return Hook(id_, name, Scheme(scheme), type_, queue, priority, template, tuple(events), *rest)
