"""Reads and changes people, services, agents, tokens and sessions, for those who manage access."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.access.principals import Principal
from taskyard.core.postgres.database import DriverTransaction
from taskyard.core.postgres.store.sign_ins import Session
from taskyard.core.postgres.store.tokens import Token
from taskyard.core.submission import authorized_access
from taskyard.core.submission.open_servers import Servers
from taskyard.dashboard.data.base import connections, forget
from taskyard.dashboard.data.readings import seen
from taskyard.dashboard.data.viewer import actor

__all__ = ["Principal", "Session", "Token"]

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


@seen(needs=Permission.ACCESS_MANAGE, is_whole=True)
def principals(servers: Servers, sight: Actor) -> Sequence[Principal]:
    """Returns people, services and agents by name, including disabled ones."""
    with servers.database.transaction() as tx:
        return authorized_access.list_principals(tx, sight)


@seen(needs=Permission.ACCESS_MANAGE, is_whole=True)
def tokens(servers: Servers, sight: Actor) -> Sequence[Token]:
    """Returns all tokens without their secrets, newest first."""
    with servers.database.transaction() as tx:
        return authorized_access.list_tokens(tx, sight)


@seen(needs=Permission.ACCESS_MANAGE, is_whole=True)
def sessions(servers: Servers, sight: Actor) -> Sequence[Session]:
    """Returns the browsers that are signed in, newest first."""
    with servers.database.transaction() as tx:
        return authorized_access.list_sessions(tx, sight)


def create(name: str, kind: str, role: str, queues: Sequence[str], types: Sequence[str]) -> None:
    """Creates a principal; raises SubmissionError, NotPermitted or Unavailable."""
    _change(authorized_access.create, name, role, kind=kind, queues=queues, types=types)


def change_role(name: str, role: str, queues: Sequence[str], types: Sequence[str]) -> bool:
    """Changes a role and what it is narrowed to; returns False if nothing changes. Raises as `create` does."""
    return _change(authorized_access.change_role, name, role=role, queues=queues, types=types)


def disable(name: str) -> bool:
    """Lets a principal in no more; returns False if they were disabled. Raises as `create` does."""
    return _change(authorized_access.disable, name)


def enable(name: str) -> bool:
    """Lets a principal in again; returns False if they were not disabled. Raises as `create` does."""
    return _change(authorized_access.enable, name)


def set_password(name: str, password: str) -> None:
    """Sets a person's password, which ends their sessions by the former one; raises as `create` does."""
    _change(authorized_access.set_password, name, password)


def make_token(name: str, days: float, note: str) -> tuple[str, Token]:
    """Makes a token; returns its text, which can't be read again, and its description. Raises as `create` does."""
    return _change(authorized_access.make_token, name, days=days, note=note)


def revoke(id_: str) -> bool:
    """Revokes a token or ends a session by its id; returns False if there is none. Raises as `create` does."""
    return _change(authorized_access.revoke, id_)


def end_sessions(name: str) -> int:
    """Ends all sessions of a principal; returns how many these were. Raises as `create` does."""
    return _change(authorized_access.end_sessions, name)


def _change(
    act: Callable[Concatenate[DriverTransaction, Actor, Arguments], Value],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Value:
    who = actor()
    with connections().database.transaction() as tx:
        done = act(tx, who, *args, **kwargs)
    forget()
    return done
