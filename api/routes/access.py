"""Manages people, services and agents, their roles, passwords, tokens and sessions.

All of it needs the permission access.manage. Who came by a token makes neither tokens nor passwords.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.models.access import (
    ChangedPrincipal,
    EndedSessions,
    MadeToken,
    NewPassword,
    NewPrincipal,
    NewToken,
    PrincipalChange,
    PrincipalInfo,
    SessionInfo,
    TokenInfo,
)
from taskyard.api.reading import ServicesDep, read
from taskyard.api.seeing import missing
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.access.principals import Principal
from taskyard.core.access.tokens import is_token_id
from taskyard.core.i18n import msg
from taskyard.core.postgres.database import Transaction
from taskyard.core.submission import authorized_access

router = APIRouter(prefix="/access", tags=["access"], dependencies=[needs(Permission.ACCESS_MANAGE)])
Name = Annotated[str, Path(description="The name of the person, service or agent", examples=["ci"])]
CredentialId = Annotated[str, Path(alias="id", description="The id, as it is listed")]


@router.get("/principals", summary="List principals")
async def find_principals(services: ServicesDep, actor: ActorDep) -> list[PrincipalInfo]:
    """Returns people, services and agents with their roles by name, including disabled ones."""
    found = await read(services, authorized_access.list_principals, actor)
    return [PrincipalInfo.model_validate(one) for one in found]


@router.post("/principals", status_code=201, summary="Create a principal")
async def create_principal(given: NewPrincipal, services: ServicesDep, actor: ActorDep) -> PrincipalInfo:
    """Creates a person, service or agent; a password or a token then lets it in."""
    made = await read(
        services,
        authorized_access.create,
        actor,
        given.name,
        given.role.value,
        kind=given.kind.value,
        queues=given.queues,
        types=given.types,
    )
    return PrincipalInfo.model_validate(made)


@router.get("/principals/{name}", summary="Get a principal")
async def get_principal(name: Name, services: ServicesDep, actor: ActorDep) -> PrincipalInfo:
    """Returns a person, service or agent."""
    return PrincipalInfo.model_validate(await read(services, _known, actor, name))


@router.patch("/principals/{name}", summary="Change a principal")
async def change_principal(
    name: Name, given: PrincipalChange, services: ServicesDep, actor: ActorDep
) -> ChangedPrincipal:
    """Gives another role, narrows it, or lets it in no more; it counts from the next action, also in open sessions."""
    now, is_changed = await read(services, _change, actor, name, given)
    return ChangedPrincipal(**dict(PrincipalInfo.model_validate(now)), is_changed=is_changed)


@router.put("/principals/{name}/password", status_code=204, summary="Set a password")
async def set_password(name: Name, given: NewPassword, services: ServicesDep, actor: ActorDep) -> None:
    """Sets a person's password and ends their sessions by the former one."""
    await read(services, _known, actor, name)
    await read(services, authorized_access.set_password, actor, name, given.password.get_secret_value())


@router.post("/principals/{name}/tokens", status_code=201, summary="Make a token")
async def make_token(name: Name, given: NewToken, services: ServicesDep, actor: ActorDep) -> MadeToken:
    """Makes a token of a principal, which can't be read again."""
    await read(services, _known, actor, name)
    text, made = await read(services, authorized_access.make_token, actor, name, days=given.days, note=given.note)
    return MadeToken(**dict(TokenInfo.model_validate(made)), token=text)


@router.delete("/principals/{name}/sessions", summary="End a principal's sessions")
async def end_sessions(name: Name, services: ServicesDep, actor: ActorDep) -> EndedSessions:
    """Signs out every browser that is signed in by this name; tokens stay valid."""
    await read(services, _known, actor, name)
    return EndedSessions(ended=await read(services, authorized_access.end_sessions, actor, name))


@router.get("/tokens", summary="List tokens")
async def find_tokens(
    services: ServicesDep,
    actor: ActorDep,
    name: Annotated[str | None, Query(description="Only those of this person, service or agent")] = None,
) -> list[TokenInfo]:
    """Returns tokens without their secrets, newest first."""
    found = await read(services, authorized_access.list_tokens, actor, name)
    return [TokenInfo.model_validate(one) for one in found]


@router.delete("/tokens/{id}", status_code=204, summary="Revoke a token")
async def revoke_token(token_id: CredentialId, services: ServicesDep, actor: ActorDep) -> None:
    """Revokes a token for good."""
    if not is_token_id(token_id) or not await read(services, authorized_access.revoke, actor, token_id):
        raise missing(msg("no valid token has the id {id}", id=token_id))


@router.get("/sessions", summary="List sessions")
async def find_sessions(services: ServicesDep, actor: ActorDep) -> list[SessionInfo]:
    """Returns browsers that are signed in, newest first."""
    found = await read(services, authorized_access.list_sessions, actor)
    return [SessionInfo.model_validate(one) for one in found]


@router.delete("/sessions/{id}", status_code=204, summary="End a session")
async def end_session(session_id: CredentialId, services: ServicesDep, actor: ActorDep) -> None:
    """Signs a browser out."""
    if is_token_id(session_id) or not await read(services, authorized_access.revoke, actor, session_id):
        raise missing(msg("no session has the id {id}", id=session_id))


def _known(tx: Transaction, actor: Actor, name: str) -> Principal:
    """Returns the principal of a name; raises Refused (404)."""
    found = {one.name: one for one in authorized_access.list_principals(tx, actor)}
    if name not in found:
        raise missing(msg("nobody is called {name}", name=name))
    return found[name]


def _change(tx: Transaction, actor: Actor, name: str, given: PrincipalChange) -> tuple[Principal, bool]:
    _known(tx, actor, name)
    role = None if given.role is None else given.role.value
    is_changed = False
    if role is not None or given.queues is not None or given.types is not None:
        is_changed = authorized_access.change_role(tx, actor, name, role=role, queues=given.queues, types=given.types)
    if given.is_disabled is not None:
        switch = authorized_access.disable if given.is_disabled else authorized_access.enable
        is_changed |= switch(tx, actor, name)
    return authorized_access.get(tx, actor, name), is_changed
