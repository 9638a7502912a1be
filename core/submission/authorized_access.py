"""Manages people, services, agents, their roles, tokens and sessions, as far as an actor may.

Everything raises NotPermitted without the permission access.manage, in addition to the store's errors. Who came by a
token makes no credential: one that leaked would be followed by others that nobody knows of.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.access.identity import EVERY, TOKEN, Actor
from taskyard.core.access.passwords import check_password, hash_password
from taskyard.core.access.permissions import Permission, Role
from taskyard.core.access.principals import Kind, Principal
from taskyard.core.access.tokens import DEFAULT_DAYS, Opens
from taskyard.core.errors import NotPermitted
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import principals, sign_ins, tokens
from taskyard.core.postgres.store.sign_ins import Session
from taskyard.core.postgres.store.tokens import Token


def create(
    tx: Transaction,
    actor: Actor,
    name: str,
    role: str,
    *,
    kind: str = Kind.PERSON,
    queues: Sequence[str] = (EVERY,),
    types: Sequence[str] = (EVERY,),
) -> Principal:
    """See core.postgres.store.principals."""
    _check(actor)
    return principals.create(tx, name, role, actor.name, kind=kind, queues=queues, types=types)


def list_principals(tx: Transaction, actor: Actor) -> list[Principal]:
    """See core.postgres.store.principals."""
    _check(actor)
    return principals.principals(tx)


def get(tx: Transaction, actor: Actor, name: str) -> Principal:
    """See core.postgres.store.principals."""
    _check(actor)
    return principals.get(tx, name)


def change_role(
    tx: Transaction,
    actor: Actor,
    name: str,
    *,
    role: str | None = None,
    queues: Sequence[str] | None = None,
    types: Sequence[str] | None = None,
) -> bool:
    """See core.postgres.store.principals."""
    _check(actor)
    return principals.change_role(tx, name, actor.name, role=role, queues=queues, types=types)


def disable(tx: Transaction, actor: Actor, name: str) -> bool:
    """See core.postgres.store.principals."""
    _check(actor)
    return principals.disable(tx, name, actor.name)


def enable(tx: Transaction, actor: Actor, name: str) -> bool:
    """See core.postgres.store.principals."""
    _check(actor)
    return principals.enable(tx, name, actor.name)


def set_password(tx: Transaction, actor: Actor, name: str, password: str) -> None:
    """Sets a person's password and ends their sessions by the former one; raises SubmissionError for a weak one."""
    _check(actor, makes_credential=True)
    principals.set_password(tx, name, hash_password(check_password(password)), actor.name)


def make_token(
    tx: Transaction, actor: Actor, name: str, *, days: float = DEFAULT_DAYS, note: str = ""
) -> tuple[str, Token]:
    """See core.postgres.store.tokens."""
    _check(actor, makes_credential=True)
    return tokens.make(tx, name, actor.name, days=days, note=note)


def admit_agent(
    tx: Transaction,
    actor: Actor,
    name: str,
    *,
    types: Sequence[str] | None = None,
    days: float = DEFAULT_DAYS,
    note: str = "",
) -> tuple[str, Token]:
    """Makes credentials for Redis of an agent, which is created if there is none of this name.

    Returns the password, which can't be read again, and its description. `types` are patterns of the types that the
    agent may get (None: as it is, or all). Raises SubmissionError for an invalid value, and for a person or service.
    """
    _check(actor, makes_credential=True)
    found = principals.find(tx, name)
    if found is None:
        principals.create(tx, name, Role.VIEWER, actor.name, kind=Kind.AGENT, types=types or (EVERY,))
    elif found.kind != Kind.AGENT:
        raise refused("name", name, msg("the name of an agent, or a new one: this one is a {kind}", kind=found.kind))
    elif types is not None:
        principals.change_role(tx, name, actor.name, types=types)
    return tokens.make(tx, name, actor.name, days=days, note=note, opens=Opens.REDIS)


def list_tokens(tx: Transaction, actor: Actor, name: str | None = None) -> list[Token]:
    """See core.postgres.store.tokens."""
    _check(actor)
    return tokens.tokens(tx, name)


def list_sessions(tx: Transaction, actor: Actor) -> list[Session]:
    """See core.postgres.store.sign_ins."""
    _check(actor)
    return sign_ins.sessions(tx)


def end_sessions(tx: Transaction, actor: Actor, name: str) -> int:
    """Ends all sessions of a principal; returns how many these were. Raises SubmissionError if there is none."""
    _check(actor)
    return sign_ins.end_sessions_of(tx, principals.get(tx, name), actor.name)


def revoke(tx: Transaction, actor: Actor, id_: str) -> bool:
    """Revokes the token or ends the session of an id as they are listed; returns False if there is none."""
    _check(actor)
    return tokens.revoke(tx, id_, actor.name) or sign_ins.end_session(tx, id_, actor.name)


def _check(actor: Actor, *, makes_credential: bool = False) -> None:
    actor.require(Permission.ACCESS_MANAGE, queue=EVERY, type_=EVERY)
    if makes_credential and actor.via == TOKEN:
        raise NotPermitted(
            Permission.ACCESS_MANAGE.value,
            msg("{name} came by a token, which makes neither tokens nor passwords: sign in", name=actor.name),
        )
