"""Stores people, services and agents with their roles, each change with its audit row."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from taskyard.core.access.identity import EVERY
from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import (
    Kind,
    Principal,
    check_kind,
    check_name,
    check_queues,
    check_role,
    check_types,
)
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.arrays import quoted
from taskyard.core.postgres.database import Transaction, queries


def create(
    tx: Transaction,
    name: str,
    role: str,
    actor: str,
    *,
    kind: str = Kind.PERSON,
    queues: Sequence[str] = (EVERY,),
    types: Sequence[str] = (EVERY,),
) -> Principal:
    """Creates a principal without a password; raises SubmissionError for an invalid value or a name that is taken.

    A name is also taken if it differs from another in capitals alone: people would mistake one for the other.
    """
    parameters = {
        "id": str(uuid.uuid4()),
        "kind": check_kind(kind).value,
        "name": check_name(name),
        "role": check_role(role).value,
        "queues": quoted(check_queues(queues)),
        "types": quoted(check_types(types)),
        "actor": actor,
    }
    tx.rows(queries("principals")["lock_name"], {"name": name})
    rows = tx.rows(queries("principals")["create_principal"], parameters)
    if not rows:
        raise refused("name", name, msg("a new name: there is a person, service or agent with this one"))
    return _principal(rows[0])


def principals(tx: Transaction) -> list[Principal]:
    """Returns all principals by name, including disabled ones."""
    return [_principal(row) for row in tx.rows(queries("principals")["all_principals"], {})]


def find(tx: Transaction, name: str) -> Principal | None:
    """Returns the principal of a name; None if there is none. Raises SubmissionError for an invalid name."""
    rows = tx.rows(queries("principals")["principal"], {"name": check_name(name)})
    return _principal(rows[0]) if rows else None


def find_in_any_case(tx: Transaction, name: str) -> Principal | None:
    """Returns the principal of a name, or else the only one whose name differs from it in capitals alone.

    None if there is none, or more than one. Raises SubmissionError for an invalid name.
    """
    rows = tx.rows(queries("principals")["principals_in_any_case"], {"name": check_name(name)})
    found = [_principal(row) for row in rows]
    exact = [one for one in found if one.name == name]
    return (exact or found)[0] if exact or len(found) == 1 else None


def get(tx: Transaction, name: str) -> Principal:
    """Returns the principal of a name; raises SubmissionError if there is none."""
    found = find(tx, name)
    if found is None:
        raise refused("name", name, msg("the name of a person, service or agent"))
    return found


def change_role(
    tx: Transaction,
    name: str,
    actor: str,
    *,
    role: str | None = None,
    queues: Sequence[str] | None = None,
    types: Sequence[str] | None = None,
) -> bool:
    """Gives a principal another role, or narrows it; what is None stays. Returns False if nothing changes.

    It counts from the next action of the principal, also in sessions that are open. Raises SubmissionError, also if
    nobody else could manage access.
    """
    known = get(tx, name)
    parameters = {
        "name": name,
        "role": known.role if role is None else check_role(role).value,
        "queues": quoted(known.queues if queues is None else check_queues(queues)),
        "types": quoted(known.types if types is None else check_types(types)),
        "actor": actor,
    }
    stays = parameters["role"] == Role.ADMIN and EVERY in (queues or known.queues) and EVERY in (types or known.types)
    if not stays:
        _keep_an_admin(tx, name)
    return bool(tx.rows(queries("principals")["change_role"], parameters))


def disable(tx: Transaction, name: str, actor: str) -> bool:
    """Lets a principal in no more, by tokens or sessions; returns False if they were disabled.

    The hooks that they made are disabled, too, until somebody enables them: they know the secrets. Raises
    SubmissionError, also if nobody else could manage access.
    """
    get(tx, name)
    _keep_an_admin(tx, name)
    return bool(tx.rows(queries("principals")["disable"], {"name": name, "actor": actor}))


def enable(tx: Transaction, name: str, actor: str) -> bool:
    """Lets a principal in again, also by tokens from before; returns False if they were not disabled. Raises
    SubmissionError.
    """
    get(tx, name)
    return bool(tx.rows(queries("principals")["enable"], {"name": name, "actor": actor}))


def set_password(tx: Transaction, name: str, password_hash: str, actor: str) -> None:
    """Stores a person's password, as core.access.passwords hashes it, and ends their sessions by the former one.

    Raises SubmissionError for services and agents.
    """
    get(tx, name)
    parameters = {"name": name, "password_hash": password_hash, "actor": actor}
    if not tx.rows(queries("principals")["set_password"], parameters):
        raise refused("name", name, msg("the name of a person: services and agents have tokens and no password"))


def renew_password(tx: Transaction, name: str, stored: str, renewed: str) -> None:
    """Replaces the stored form of a password by another one of the same password; sessions go on."""
    tx.rows(queries("principals")["renew_password"], {"name": name, "stored": stored, "renewed": renewed})


def password_of(tx: Transaction, name: str) -> str | None:
    """Returns the stored password of a person; None if they have none, are disabled or unknown."""
    rows = tx.rows(queries("principals")["password"], {"name": check_name(name)})
    return rows[0][0] if rows else None


def _keep_an_admin(tx: Transaction, name: str) -> None:
    """Raises SubmissionError if a principal is the last who may manage access."""
    admins = [row[0] for row in tx.rows(queries("principals")["lock_admins"], {})]
    if admins == [name]:
        raise refused("name", name, msg("somebody else: this is the last admin who is not disabled or narrowed"))


def _principal(row: tuple[object, ...]) -> Principal:
    id_, kind, name, role, queues, types, *rest = row
    return Principal(str(id_), Kind(str(kind)), str(name), str(role), tuple(queues), tuple(types), *rest)  # type: ignore[arg-type]
