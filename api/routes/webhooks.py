"""Manages webhooks, which tell others of tasks' ends, and has their messages sent again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.models.webhooks import (
    ChangedWebhook,
    DeliveryId,
    DeliveryInfo,
    MadeWebhook,
    NewWebhook,
    Secret,
    WebhookChange,
    WebhookInfo,
)
from taskyard.api.reading import ServicesDep, read
from taskyard.api.seeing import missing
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.config import Settings
from taskyard.core.i18n import msg
from taskyard.core.postgres.database import Transaction
from taskyard.core.submission import authorized_webhooks
from taskyard.core.webhooks.webhook import Webhook

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
READS, SENDS = needs(Permission.AUDIT_EXPORT), needs(Permission.TASK_OPERATE)
CHANGES = needs(Permission.ACCESS_MANAGE)
Name = Annotated[str, Path(description="The name of the webhook", examples=["ci"])]
DeliveryPath = Annotated[str, Path(alias="id", description="The id of the delivery")]


@router.get("", summary="List webhooks", dependencies=[READS])
async def find_webhooks(services: ServicesDep, actor: ActorDep) -> list[WebhookInfo]:
    """Returns all webhooks by name, without their secrets."""
    found = await read(services, authorized_webhooks.list_webhooks, actor)
    return [WebhookInfo.model_validate(one) for one in found]


@router.post("", status_code=201, summary="Create a webhook", dependencies=[CHANGES])
async def create_webhook(given: NewWebhook, services: ServicesDep, actor: ActorDep) -> MadeWebhook:
    """Creates a webhook that is told of tasks that end from now on; its secret can't be read again."""
    secret = await read(services, authorized_webhooks.create, actor, services.settings, **given.model_dump())
    made = await read(services, _known, actor, given.name)
    return MadeWebhook(**dict(WebhookInfo.model_validate(made)), secret=secret)


@router.get("/{name}", summary="Get a webhook", dependencies=[READS])
async def get_webhook(name: Name, services: ServicesDep, actor: ActorDep) -> WebhookInfo:
    """Returns a webhook without its secret."""
    return WebhookInfo.model_validate(await read(services, _known, actor, name))


@router.patch("/{name}", summary="Change a webhook", dependencies=[CHANGES])
async def change_webhook(name: Name, given: WebhookChange, services: ServicesDep, actor: ActorDep) -> ChangedWebhook:
    """Changes what it is told of and where, disables or enables it; what ends while it is disabled is not told."""
    now, is_changed = await read(services, _change, actor, services.settings, name, given)
    return ChangedWebhook(**dict(WebhookInfo.model_validate(now)), is_changed=is_changed)


@router.delete("/{name}", status_code=204, summary="Delete a webhook", dependencies=[CHANGES])
async def delete_webhook(name: Name, services: ServicesDep, actor: ActorDep) -> None:
    """Removes a webhook with its deliveries."""
    if not await read(services, authorized_webhooks.delete, actor, name):
        raise missing(msg("no webhook is called {name}", name=name))


@router.post("/{name}/secret", summary="Rotate a webhook's secret", dependencies=[CHANGES])
async def rotate_secret(name: Name, services: ServicesDep, actor: ActorDep) -> Secret:
    """Makes a new secret; for 24 hours messages are signed with the former one, too."""
    await read(services, _known, actor, name)
    return Secret(secret=await read(services, authorized_webhooks.rotate_secret, actor, name))


@router.post("/{name}/ping", status_code=202, summary="Send a test message", dependencies=[SENDS])
async def ping(name: Name, services: ServicesDep, actor: ActorDep) -> DeliveryId:
    """Queues a message of the type ping; its delivery shows what the server answered, once the worker has sent it."""
    await read(services, _known, actor, name)
    return DeliveryId(id=await read(services, authorized_webhooks.ping, actor, name))


@router.get("/{name}/deliveries", summary="List deliveries", dependencies=[READS])
async def find_deliveries(
    name: Name,
    services: ServicesDep,
    actor: ActorDep,
    state: Annotated[str | None, Query(description="Only those: pending, delivered or failed")] = None,
    before: Annotated[str | None, Query(description="Only those before this id, to read on")] = None,
    limit: Annotated[int, Query(description="At most so many, from 1 to 200")] = 50,
) -> list[DeliveryInfo]:
    """Returns the newest messages of a webhook."""
    await read(services, _known, actor, name)
    found = await read(
        services, authorized_webhooks.list_deliveries, actor, name, state=state, before=before, limit=limit
    )
    return [DeliveryInfo.model_validate(one) for one in found]


@router.post("/{name}/deliveries/{id}/send", status_code=202, summary="Send a message again", dependencies=[SENDS])
async def send_again(name: Name, delivery_id: DeliveryPath, services: ServicesDep, actor: ActorDep) -> DeliveryId:
    """Sends a message that arrived or was given up once more, with the same id."""
    await read(services, _known, actor, name)
    if not await read(services, authorized_webhooks.send_again, actor, name, delivery_id):
        raise missing(msg("no delivery that has ended has the id {id}", id=delivery_id))
    return DeliveryId(id=delivery_id)


def _known(tx: Transaction, actor: Actor, name: str) -> Webhook:
    """Returns the webhook of a name; raises Refused (404)."""
    found = authorized_webhooks.find(tx, actor, name)
    if found is None:
        raise missing(msg("no webhook is called {name}", name=name))
    return found


def _change(tx: Transaction, actor: Actor, settings: Settings, name: str, given: WebhookChange) -> tuple[Webhook, bool]:
    _known(tx, actor, name)
    fields = given.model_dump(exclude={"is_disabled", "reason"})
    is_changed = authorized_webhooks.change(tx, actor, settings, name, **fields)
    if given.is_disabled is True:
        is_changed |= authorized_webhooks.disable(tx, actor, name, given.reason)
    elif given.is_disabled is False:
        is_changed |= authorized_webhooks.enable(tx, actor, name)
    return _known(tx, actor, name), is_changed
