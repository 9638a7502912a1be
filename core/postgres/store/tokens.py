"""Stores principals' tokens: of their secrets only the hashes, and each change with its audit row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskyard.core.access.identity import TOKEN, Actor
from taskyard.core.access.principals import acting, check_name, check_note
from taskyard.core.access.tokens import (
    DEFAULT_DAYS,
    Opens,
    check_days,
    is_token_id,
    new_password,
    new_token,
    parse_token,
)
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import principals

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token of the principal `name`, without its secret."""

    id: str
    kind: str
    name: str
    note: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    opens: str

    def as_json(self) -> dict[str, Any]:
        """Returns it as a document."""
        return {
            "id": self.id,
            "name": self.name,
            "kind": self.kind,
            "note": self.note,
            "opens": self.opens,
            "created_at": self.created_at.isoformat(),
            "created_by": self.created_by,
            "expires_at": self.expires_at.isoformat(),
            "last_used_at": self.last_used_at and self.last_used_at.isoformat(),
            "revoked_at": self.revoked_at and self.revoked_at.isoformat(),
        }


def make(
    tx: Transaction, name: str, actor: str, *, days: float = DEFAULT_DAYS, note: str = "", opens: Opens = Opens.API
) -> tuple[str, Token]:
    """Makes a token of a principal; returns its text, which can't be read again, and its description.

    For Redis it is the password of an agent's user. Raises SubmissionError for an invalid value, and if the principal
    is unknown or disabled.
    """
    seconds, remark = check_days(days) * DAY_SECONDS, check_note(note)
    owner = principals.get(tx, name)
    text, parts = new_token(owner.kind) if opens is Opens.API else new_password()
    parameters = {
        "id": parts.id,
        "principal": owner.id,
        "secret": parts.secret_hash,
        "note": remark,
        "opens": opens.value,
        "seconds": seconds,
        "actor": actor,
    }
    rows = tx.rows(queries("tokens")["make_token"], parameters)
    if not rows:
        raise refused("name", name, msg("a name that is not disabled"))
    return text, Token(*rows[0])


def tokens(tx: Transaction, name: str | None = None) -> list[Token]:
    """Returns all tokens, or those of one principal, newest first. Raises SubmissionError for an invalid name."""
    rows = tx.rows(queries("tokens")["tokens"], {"name": None if name is None else check_name(name)})
    return [Token(*row) for row in rows]


def revoke(tx: Transaction, token_id: str, actor: str) -> bool:
    """Revokes a token for good; returns False if none has this id, or if it was revoked."""
    return is_token_id(token_id) and bool(tx.rows(queries("tokens")["revoke"], {"id": token_id, "actor": actor}))


def find_by_token(tx: Transaction, text: object) -> Actor | None:
    """Returns the identity that a token gives now; None if it is unknown, expired or revoked, or its principal is
    disabled.
    """
    parts = parse_token(text)
    if parts is None:
        return None
    # what is looked up is the hash, of which an attacker who measures times learns nothing
    parameters = {"id": parts.id, "secret": parts.secret_hash, "kind": parts.kind.value}
    rows = tx.rows(queries("tokens")["find"], parameters)
    if not rows:
        return None
    [(kind, name, role, queues, types)] = rows
    return acting(kind, name, TOKEN, role, queues, types)
