"""Reads and changes webhooks, their deliveries, and hooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.api_settings import api_url
from taskyard.core.config import settings
from taskyard.core.payload.json_literals import read_json
from taskyard.core.postgres.store import hooks as hooks_store
from taskyard.core.postgres.store import webhook_deliveries as deliveries_store
from taskyard.core.postgres.store import webhooks as webhooks_store
from taskyard.core.submission import authorized_hooks, authorized_webhooks
from taskyard.core.submission.open_servers import Servers
from taskyard.core.webhooks.hook import Hook
from taskyard.core.webhooks.template import MAX_TEMPLATE_BYTES
from taskyard.core.webhooks.webhook import Delivery, Webhook
from taskyard.dashboard.data.base import connections, forget
from taskyard.dashboard.data.readings import seen
from taskyard.dashboard.data.viewer import acting, actor, viewer

MAX_DELIVERIES = 100


def may_send() -> bool:
    """Returns True if the viewer may have messages sent, as of some seconds ago."""
    return _may(Permission.TASK_OPERATE)


def may_manage() -> bool:
    """Returns True if the viewer may see hooks and change both, as of some seconds ago."""
    return _may(Permission.ACCESS_MANAGE)


@seen(needs=Permission.AUDIT_EXPORT, is_whole=True)
def webhooks(servers: Servers, _sight: Actor) -> Sequence[Webhook]:
    """Returns all webhooks by name; for those who may see them."""
    with servers.database.transaction() as tx:
        return webhooks_store.webhooks(tx)


@seen(needs=Permission.AUDIT_EXPORT, is_whole=True)
def deliveries(servers: Servers, _sight: Actor, name: str | None, state: str | None) -> Sequence[Delivery]:
    """Returns the newest MAX_DELIVERIES, of one webhook or all; for those who may see them."""
    with servers.database.transaction() as tx:
        return deliveries_store.deliveries(tx, name, state=state, limit=MAX_DELIVERIES)


@seen(needs=Permission.ACCESS_MANAGE, is_whole=True)
def hooks(servers: Servers, _sight: Actor) -> Sequence[Hook]:
    """Returns all hooks by name; for those who may manage them."""
    with servers.database.transaction() as tx:
        return hooks_store.hooks(tx)


def hook_url(name: str) -> str:
    """Returns the address that a hook is called at, which is the API's and not the dashboard's."""
    return f"{api_url(settings())}/hooks/{name}"


def type_names() -> list[str]:
    """Returns the names of the task types that this process knows."""
    return sorted(connections().registry.types)


def create_webhook(name: str, fields: dict[str, Any]) -> str:
    """Creates a webhook; returns its secret. Raises SubmissionError, NotPermitted or Unavailable."""
    who, servers = actor(), connections()
    with servers.database.transaction() as tx:
        secret = authorized_webhooks.create(tx, who, servers.settings, name, **fields)
    forget()
    return secret


def change_webhook(name: str, fields: dict[str, Any]) -> bool:
    """Changes a webhook; returns False if it was like that. Raises SubmissionError, NotPermitted or Unavailable."""
    who, servers = actor(), connections()
    with servers.database.transaction() as tx:
        is_changed = authorized_webhooks.change(tx, who, servers.settings, name, **fields)
    forget()
    return is_changed


def switch_webhook(name: str, *, is_disabled: bool, reason: str = "") -> bool:
    """Disables or enables a webhook; returns False if it was like that. Raises NotPermitted or Unavailable."""
    who = actor()
    with connections().database.transaction() as tx:
        if is_disabled:
            is_changed = authorized_webhooks.disable(tx, who, name, reason)
        else:
            is_changed = authorized_webhooks.enable(tx, who, name)
    forget()
    return is_changed


def delete_webhook(name: str) -> bool:
    """Removes a webhook; returns False if there is none. Raises NotPermitted or Unavailable."""
    who = actor()
    with connections().database.transaction() as tx:
        is_changed = authorized_webhooks.delete(tx, who, name)
    forget()
    return is_changed


def rotate_webhook(name: str) -> str:
    """Gives a webhook a new secret and returns it. Raises SubmissionError, NotPermitted or Unavailable."""
    who = actor()
    with connections().database.transaction() as tx:
        secret = authorized_webhooks.rotate_secret(tx, who, name)
    forget()
    return secret


def ping(name: str) -> None:
    """Sends a test message. Raises SubmissionError, NotPermitted or Unavailable."""
    who = actor()
    with connections().database.transaction() as tx:
        authorized_webhooks.ping(tx, who, name)
    forget()


def send_again(name: str, delivery_id: str) -> bool:
    """Sends a message again; returns False if it waits to be sent. Raises SubmissionError, NotPermitted or
    Unavailable.
    """
    who = actor()
    with connections().database.transaction() as tx:
        is_changed = authorized_webhooks.send_again(tx, who, name, delivery_id)
    forget()
    return is_changed


def create_hook(name: str, fields: dict[str, Any]) -> str:
    """Creates a hook; returns its secret. `template` is JSON text. Raises SubmissionError, NotPermitted or
    Unavailable.
    """
    allowed, given = acting(), {**fields, "template": read_json("template", fields["template"], MAX_TEMPLATE_BYTES)}
    with connections().database.transaction() as tx:
        secret = authorized_hooks.create(tx, allowed, name, **given)
    forget()
    return secret


def change_hook(name: str, fields: dict[str, Any]) -> bool:
    """Changes a hook; returns False if it was like that. Raises SubmissionError, NotPermitted or Unavailable."""
    allowed, given = acting(), {**fields, "template": read_json("template", fields["template"], MAX_TEMPLATE_BYTES)}
    with connections().database.transaction() as tx:
        is_changed = authorized_hooks.change(tx, allowed, name, **given)
    forget()
    return is_changed


def switch_hook(name: str, *, is_disabled: bool) -> bool:
    """Disables or enables a hook; returns False if it was like that. Raises NotPermitted or Unavailable."""
    who = actor()
    with connections().database.transaction() as tx:
        is_changed = authorized_hooks.switch(tx, who, name, is_disabled=is_disabled)
    forget()
    return is_changed


def delete_hook(name: str) -> bool:
    """Removes a hook; returns False if there is none. Raises NotPermitted or Unavailable."""
    who = actor()
    with connections().database.transaction() as tx:
        is_changed = authorized_hooks.delete(tx, who, name)
    forget()
    return is_changed


def rotate_hook(name: str, secret: str | None) -> str:
    """Gives a hook another secret, a new one if none is given. Raises SubmissionError, NotPermitted or Unavailable."""
    who = actor()
    with connections().database.transaction() as tx:
        made = authorized_hooks.rotate_secret(tx, who, name, secret)
    forget()
    return made


def _may(permission: Permission) -> bool:
    who = viewer()
    return who.may(permission) and who.sees(EVERY, EVERY)
