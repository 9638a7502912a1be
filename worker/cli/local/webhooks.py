"""Implements the operations on webhooks and hooks by this host's own connections to PostgreSQL and Redis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskyard.core.access.identity import local_actor
from taskyard.core.config import load_settings
from taskyard.core.payload.culprits import refused
from taskyard.core.submission import authorized_hooks, authorized_webhooks
from taskyard.worker.cli.connections import acting, opened_database, opened_reading


class LocalWebhooks:
    """The webhooks of the installation that the settings name; see `WebhookPort`."""

    def add(self, name: str, url: str, fields: Mapping[str, Any]) -> str:
        with opened_database() as database, database.transaction() as tx:
            return authorized_webhooks.create(tx, local_actor(), load_settings(), name, url, **fields)

    def list_all(self) -> list[dict[str, Any]]:
        with opened_reading() as tx:
            return [_shown(one.as_json()) for one in authorized_webhooks.list_webhooks(tx, local_actor())]

    def change(self, name: str, fields: Mapping[str, Any]) -> bool:
        with opened_database() as database, database.transaction() as tx:
            return authorized_webhooks.change(tx, local_actor(), load_settings(), name, **fields)

    def switch(self, name: str, *, is_disabled: bool, reason: str = "") -> bool:
        with opened_database() as database, database.transaction() as tx:
            if is_disabled:
                return authorized_webhooks.disable(tx, local_actor(), name, reason)
            return authorized_webhooks.enable(tx, local_actor(), name)

    def remove(self, name: str) -> bool:
        with opened_database() as database, database.transaction() as tx:
            return authorized_webhooks.delete(tx, local_actor(), name)

    def rotate(self, name: str) -> str:
        with opened_database() as database, database.transaction() as tx:
            return authorized_webhooks.rotate_secret(tx, local_actor(), name)

    def ping(self, name: str) -> str:
        with opened_database() as database, database.transaction() as tx:
            return authorized_webhooks.ping(tx, local_actor(), name)

    def deliveries(self, name: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        with opened_reading() as tx:
            if name is not None and authorized_webhooks.find(tx, local_actor(), name) is None:
                raise refused("name", name, "the name of a webhook")
            found = authorized_webhooks.list_deliveries(tx, local_actor(), name, state=state, limit=limit)
            return [one.as_json() for one in found]

    def send(self, name: str, id: str) -> bool:
        with opened_database() as database, database.transaction() as tx:
            return authorized_webhooks.send_again(tx, local_actor(), name, id)


class LocalHooks:
    """The hooks of the installation that the settings name; see `HookPort`."""

    def add(self, name: str, scheme: str, type: str, template: Any, fields: Mapping[str, Any]) -> str:
        with acting(load_types=True) as (allowed, database), database.transaction() as tx:
            return authorized_hooks.create(tx, allowed, name, scheme=scheme, type=type, template=template, **fields)

    def list_all(self) -> list[dict[str, Any]]:
        with opened_reading() as tx:
            return [_shown(one.as_json()) for one in authorized_hooks.list_hooks(tx, local_actor())]

    def change(self, name: str, fields: Mapping[str, Any]) -> bool:
        with acting(load_types=True) as (allowed, database), database.transaction() as tx:
            return authorized_hooks.change(tx, allowed, name, **fields)

    def switch(self, name: str, *, is_disabled: bool) -> bool:
        with opened_database() as database, database.transaction() as tx:
            return authorized_hooks.switch(tx, local_actor(), name, is_disabled=is_disabled)

    def remove(self, name: str) -> bool:
        with opened_database() as database, database.transaction() as tx:
            return authorized_hooks.delete(tx, local_actor(), name)

    def rotate(self, name: str, secret: str | None) -> str:
        with opened_database() as database, database.transaction() as tx:
            return authorized_hooks.rotate_secret(tx, local_actor(), name, secret)


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    """Returns what users see: their name is the name."""
    return {name: value for name, value in record.items() if name != "id"}
