"""Signs people in: by their password, or because somebody who is believed says who they are.

What is refused is said to everybody in the same words, and takes the same time, whether the name is unknown, disabled
or has another password.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from taskyard.core.access.identity import PASSWORD, Actor
from taskyard.core.access.passwords import hash_password, needs_rehash, verify_password
from taskyard.core.access.principals import Kind, Principal, check_name
from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.database import Database, Transaction
from taskyard.core.postgres.store import principals, sign_in_attempts, sign_ins

NOTED_PER_MINUTE = 30  # refusals that one process writes to the audit log


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has begun: its secret, and whose it is, as the audit log names them."""

    session: str
    who: str


@dataclass(frozen=True, slots=True)
class NotSignedIn:
    """A refusal. With `wait_seconds` nothing was checked: there were too many attempts before."""

    wait_seconds: float = 0.0


def by_password(database: Database, name: str, password: str, address: str) -> SignedIn | NotSignedIn:
    """Signs a person in by name and password, which takes 0.3 s of a processor. Raises Unavailable."""
    with database.transaction() as tx:
        wait_seconds = sign_in_attempts.begin(tx, name, address)
        if wait_seconds > 0:
            return NotSignedIn(wait_seconds)
        stored = _password_of(tx, name)
    is_right = verify_password(stored, password)
    renewed = hash_password(password) if is_right and stored and needs_rehash(stored) else None
    with database.transaction() as tx:
        person = _find(tx, name)
        session = sign_ins.begin_session(tx, person, PASSWORD, address) if is_right and person else None
        if session is not None and person is not None:
            if stored is not None and renewed is not None:
                principals.renew_password(tx, name, stored, renewed)
            sign_in_attempts.succeed(tx, name, address)
            return SignedIn(session, person.acting(PASSWORD).name)
        _note_refused(tx, PASSWORD, address, person, "wrong name or password")
    return NotSignedIn()


def by_name(database: Database, name: str, via: str, address: str, new_role: str | None) -> SignedIn | NotSignedIn:
    """Signs the person in whom `via` names. Who is unknown gets `new_role`, or is refused without one. Raises
    Unavailable.
    """
    with database.transaction() as tx:
        person = _known(tx, name, via, new_role)
        session = sign_ins.begin_session(tx, person, via, address) if person is not None else None
        if person is not None and session is not None:
            return SignedIn(session, person.acting(via).name)
        _note_refused(tx, via, address, person, "unknown or disabled")
    return NotSignedIn()


def known_by_name(
    database: Database, name: str, via: str, address: str, new_role: str | None, *, is_arrival: bool = False
) -> Actor | None:
    """Returns the identity of the person whom `via` names, without a session; None for who may not come in.

    `is_arrival` notes in the audit log that they came, or that they were refused. Raises Unavailable.
    """
    with database.transaction() as tx:
        person = _known(tx, name, via, new_role)
        if person is None or person.disabled_at is not None:
            if is_arrival:
                _note_refused(tx, via, address, person, "unknown or disabled")
            return None
        actor = person.acting(via)
        if is_arrival:
            sign_ins.note_arrival(tx, actor.name, via, address)
    return actor


def is_name(name: str) -> bool:
    """Returns True if this can be the name of somebody here."""
    try:
        check_name(name)
    except SubmissionError:
        return False
    return True


def _known(tx: Transaction, name: str, via: str, new_role: str | None) -> Principal | None:
    person = _find_in_any_case(tx, name)
    if person is not None or new_role is None or not is_name(name):
        return person if person is not None and person.kind is Kind.PERSON else None
    try:
        return principals.create(tx, name, new_role, f"{via}:{name}")
    except SubmissionError:  # another process was faster
        return _find_in_any_case(tx, name)


def _find(tx: Transaction, name: str) -> Principal | None:
    return principals.find(tx, name) if is_name(name) else None


def _find_in_any_case(tx: Transaction, name: str) -> Principal | None:
    """Returns whom a proxy or provider means: many of them write a name now in capitals, now without."""
    return principals.find_in_any_case(tx, name) if is_name(name) else None


def _password_of(tx: Transaction, name: str) -> str | None:
    return principals.password_of(tx, name) if is_name(name) else None


def _note_refused(tx: Transaction, via: str, address: str, person: Principal | None, reason: str) -> None:
    unnoted = _notes.take()
    if unnoted is not None:
        name = "" if person is None else person.name  # people also type their password there
        sign_ins.note_refused(tx, via, address, name=name, reason=reason, unnoted=unnoted)


class Notes:
    """Bounds how many refusals of a minute are noted, and counts the others."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._lock = threading.Lock()
        self._minute, self._noted, self._left_out = 0, 0, 0

    def take(self) -> int | None:
        """Returns how many were left out before this one, None if this one is left out, too."""
        minute = int(time.monotonic() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute, self._noted = minute, 0
            if self._noted >= self._per_minute:
                self._left_out += 1
                return None
            self._noted += 1
            unnoted, self._left_out = self._left_out, 0
            return unnoted


_notes = Notes(NOTED_PER_MINUTE)
