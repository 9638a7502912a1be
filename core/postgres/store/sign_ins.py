"""Stores sign-in links and browsers' sessions; secrets are passed as texts of core.access.identity."""

from __future__ import annotations

from datetime import datetime

from taskyard.core.access.identity import (
    ALL_PERMISSIONS,
    LINK_SECONDS,
    SESSION_IDLE_SECONDS,
    SESSION_SECONDS,
    Actor,
    Permission,
    hashed,
    is_secret,
    new_secret,
)
from taskyard.core.postgres.arrays import plain
from taskyard.core.postgres.database import Transaction, queries


def make_link(tx: Transaction, made_by: str, *, seconds: float = LINK_SECONDS) -> tuple[str, datetime]:
    """Creates a single-use link that signs a browser in as the local admin; returns its key and expiry."""
    key = new_secret()
    parameters = {"key": hashed(key), "made_by": made_by, "seconds": seconds}
    return key, tx.rows(queries("sign_ins")["make_link"], parameters)[0][0]


def sign_in(tx: Transaction, key: object, address: str) -> str | None:
    """Uses up a link and returns the new session's secret; None if the link is unknown or used.

    `address` is the browser's address, for the audit log.
    """
    if not is_secret(key):
        return None
    session = new_secret()
    parameters = {
        "key": hashed(str(key)),
        "session": hashed(session),
        "permissions": plain(sorted(ALL_PERMISSIONS)),
        "seconds": SESSION_SECONDS,
        "idle_seconds": SESSION_IDLE_SECONDS,
        "address": address,
    }
    return session if tx.rows(queries("sign_ins")["sign_in"], parameters) else None


def find_session(tx: Transaction, session: object) -> Actor | None:
    """Returns the identity of a session; None if no current session has this secret."""
    if not is_secret(session):
        return None
    parameters = {"session": hashed(str(session)), "idle_seconds": SESSION_IDLE_SECONDS}
    rows = tx.rows(queries("sign_ins")["session"], parameters)
    if not rows:
        return None
    [(who, via, permissions)] = rows
    known = {permission.value: permission for permission in Permission}
    return Actor(who, via, frozenset(known[name] for name in permissions if name in known))


def sign_out(tx: Transaction, session: object) -> bool:
    """Ends a session; returns False if there was none."""
    if not is_secret(session):
        return False
    return bool(tx.rows(queries("sign_ins")["sign_out"], {"session": hashed(str(session))}))
