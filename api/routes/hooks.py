"""Manages hooks, by which others submit tasks with signed requests. All of it needs the permission access.manage."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.models.webhooks import ChangedHook, HookChange, HookInfo, MadeHook, NewHook, NewSecret, Secret
from taskyard.api.reading import ServicesDep, acting_for, read
from taskyard.api.seeing import missing
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.i18n import msg
from taskyard.core.postgres.database import Transaction
from taskyard.core.submission import authorized_hooks
from taskyard.core.submission.authorized import Authorized
from taskyard.core.webhooks.hook import Hook

router = APIRouter(prefix="/hooks", tags=["hooks"], dependencies=[needs(Permission.ACCESS_MANAGE)])
Name = Annotated[str, Path(description="The name of the hook", examples=["github-push"])]


@router.get("", summary="List hooks")
async def find_hooks(services: ServicesDep, actor: ActorDep) -> list[HookInfo]:
    """Returns all hooks by name, without their secrets."""
    return [HookInfo.model_validate(one) for one in await read(services, authorized_hooks.list_hooks, actor)]


@router.post("", status_code=201, summary="Create a hook")
async def create_hook(given: NewHook, services: ServicesDep, actor: ActorDep) -> MadeHook:
    """Creates a hook that is called at /hooks/{name}; its secret can't be read again."""
    fields: dict[str, Any] = given.model_dump(exclude={"secret"})
    secret = None if given.secret is None else given.secret.get_secret_value()
    own = await read(services, authorized_hooks.create, acting_for(services, actor), **fields, secret=secret)
    made = await read(services, _known, actor, given.name)
    return MadeHook(**dict(HookInfo.model_validate(made)), secret=own)


@router.get("/{name}", summary="Get a hook")
async def get_hook(name: Name, services: ServicesDep, actor: ActorDep) -> HookInfo:
    """Returns a hook without its secret."""
    return HookInfo.model_validate(await read(services, _known, actor, name))


@router.patch("/{name}", summary="Change a hook")
async def change_hook(name: Name, given: HookChange, services: ServicesDep, actor: ActorDep) -> ChangedHook:
    """Changes what it submits, disables or enables it."""
    now, is_changed = await read(services, _change, acting_for(services, actor), name, given)
    return ChangedHook(**dict(HookInfo.model_validate(now)), is_changed=is_changed)


@router.delete("/{name}", status_code=204, summary="Delete a hook")
async def delete_hook(name: Name, services: ServicesDep, actor: ActorDep) -> None:
    """Removes a hook; calls of it are refused from now on."""
    if not await read(services, authorized_hooks.delete, actor, name):
        raise missing(msg("no hook is called {name}", name=name))


@router.post("/{name}/secret", summary="Rotate a hook's secret")
async def rotate_secret(name: Name, given: NewSecret, services: ServicesDep, actor: ActorDep) -> Secret:
    """Takes another secret, or makes one; the former one also counts for 24 hours."""
    await read(services, _known, actor, name)
    secret = None if given.secret is None else given.secret.get_secret_value()
    return Secret(secret=await read(services, authorized_hooks.rotate_secret, actor, name, secret))


def _known(tx: Transaction, actor: Actor, name: str) -> Hook:
    """Returns the hook of a name; raises Refused (404)."""
    found = authorized_hooks.find(tx, actor, name)
    if found is None:
        raise missing(msg("no hook is called {name}", name=name))
    return found


def _change(tx: Transaction, acting: Authorized, name: str, given: HookChange) -> tuple[Hook, bool]:
    _known(tx, acting.actor, name)
    is_changed = authorized_hooks.change(tx, acting, name, **given.model_dump(exclude={"is_disabled"}))
    if given.is_disabled is not None:
        is_changed |= authorized_hooks.switch(tx, acting.actor, name, is_disabled=given.is_disabled)
    return _known(tx, acting.actor, name), is_changed
