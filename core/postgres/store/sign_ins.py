"""Stores sign-in links and browsers' sessions; secrets are passed as texts of core.access.identity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskyard.core.access.identity import (
    ENDED_SESSION_SECONDS,
    LINK_SECONDS,
    SESSION_IDLE_SECONDS,
    SESSION_SECONDS,
    Actor,
    hashed,
    is_secret,
    new_secret,
)
from taskyard.core.access.permissions import ALL_PERMISSIONS, Role, permissions_of
from taskyard.core.access.principals import Principal, acting
from taskyard.core.postgres.arrays import plain
from taskyard.core.postgres.database import Transaction, queries


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in; `id` names it in lists, and lets nobody in."""

    id: str
    who: str
    via: str
    role: str | None
    signed_in_at: datetime
    seen_at: datetime
    expires_at: datetime

    def as_json(self) -> dict[str, Any]:
        """Returns it as a document."""
        return {
            "id": self.id,
            "who": self.who,
            "via": self.via,
            "role": self.role,
            "signed_in_at": self.signed_in_at.isoformat(),
            "seen_at": self.seen_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
        }


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
        "permissions": plain(sorted(ALL_PERMISSIONS)),  # for processes of an older release
        "role": Role.ADMIN.value,
        "seconds": SESSION_SECONDS,
        "idle_seconds": SESSION_IDLE_SECONDS,
        "kept_seconds": ENDED_SESSION_SECONDS,
        "address": address,
    }
    return session if tx.rows(queries("sign_ins")["sign_in"], parameters) else None


def begin_session(tx: Transaction, principal: Principal, via: str, address: str) -> str | None:
    """Signs a principal in whom the caller has recognised by `via`; returns the session's secret, None if disabled."""
    session = new_secret()
    parameters = {
        "principal": principal.id,
        "session": hashed(session),
        "who": principal.acting(via).name,
        "via": via,
        "seconds": SESSION_SECONDS,
        "idle_seconds": SESSION_IDLE_SECONDS,
        "kept_seconds": ENDED_SESSION_SECONDS,
        "address": address,
    }
    return session if tx.rows(queries("sign_ins")["begin_session"], parameters) else None


def find_session(tx: Transaction, session: object) -> Actor | None:
    """Returns the identity of a session, with the role of now; None if no current session has this secret."""
    if not is_secret(session):
        return None
    parameters = {"session": hashed(str(session)), "idle_seconds": SESSION_IDLE_SECONDS}
    rows = tx.rows(queries("sign_ins")["session"], parameters)
    if not rows:
        return None
    [(who, via, role, kind, name, queues, types)] = rows
    if name is None:
        return Actor(who, via, permissions_of(role))
    return acting(kind, name, via, role, queues, types)


def find_ended_session(tx: Transaction, session: object) -> str | None:
    """Returns whose session has ended by itself, as the audit log names them.

    None if it is current or unknown, was ended by somebody, or belongs to a principal who is disabled.
    """
    if not is_secret(session):
        return None
    parameters = {"session": hashed(str(session)), "idle_seconds": SESSION_IDLE_SECONDS}
    rows = tx.rows(queries("sign_ins")["ended_session"], parameters)
    if not rows:
        return None
    [(who, kind, name)] = rows
    return str(who) if name is None else acting(kind, name, "", None, (), ()).name


def sessions(tx: Transaction) -> list[Session]:
    """Returns the current sessions, newest first."""
    return [Session(*row) for row in tx.rows(queries("sign_ins")["sessions"], {"idle_seconds": SESSION_IDLE_SECONDS})]


def end_session(tx: Transaction, session_id: str, actor: str) -> bool:
    """Signs a browser out by its session's id; returns False if no session has it."""
    return bool(tx.rows(queries("sign_ins")["end_session"], {"id": session_id, "actor": actor}))


def end_sessions_of(tx: Transaction, principal: Principal, actor: str) -> int:
    """Signs all browsers of a principal out; returns how many these were."""
    return len(tx.rows(queries("sign_ins")["end_sessions_of"], {"principal": principal.id, "actor": actor}))


def sign_out(tx: Transaction, session: object, address: str) -> bool:
    """Ends a session; returns False if there was none. `address` is the browser's, for the audit log."""
    if not is_secret(session):
        return False
    return bool(tx.rows(queries("sign_ins")["sign_out"], {"session": hashed(str(session)), "address": address}))


def sign_out_everywhere(tx: Transaction, session: object, address: str) -> int:
    """Ends a session and all others of the same user; returns how many, 0 if this one is not current."""
    if not is_secret(session):
        return 0
    parameters = {"session": hashed(str(session)), "idle_seconds": SESSION_IDLE_SECONDS, "address": address}
    return int(tx.rows(queries("sign_ins")["sign_out_everywhere"], parameters)[0][0])


def note_refused(tx: Transaction, via: str, address: str, *, name: str, reason: str, unnoted: int) -> None:
    """Adds a refused sign-in to the audit log; `name` is a principal's or empty.

    `unnoted` is how many were refused before and not noted, as there were too many.
    """
    parameters = {
        "actor": f"dashboard@{address}",
        "via": via,
        "address": address,
        "name": name,
        "reason": reason,
        "unnoted": unnoted,
    }
    tx.rows(queries("sign_ins")["note_refused"], parameters)


def note_arrival(tx: Transaction, who: str, via: str, address: str) -> None:
    """Adds to the audit log that somebody came who needs no session."""
    tx.rows(queries("sign_ins")["note_arrival"], {"who": who, "via": via, "address": address})
