"""Implements the operations on webhooks and hooks over HTTP, through the client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from taskyard.client import Client
from taskyard.core.errors import ItemNotFound
from taskyard.core.payload.culprits import refused
from taskyard.core.webhooks.template import check_template
from taskyard.core.webhooks.webhook import DeliveryState, check_hook_name
from taskyard.worker.cli.remote.records import path_of, record_of

_WEBHOOK = (
    "name", "url", "queues", "types", "outcomes", "has_output", "former_until", "disabled_at", "disabled_by",
    "disabled_because", "failing_since", "last_delivered_at", "created_at", "created_by", "pending",
)  # fmt: skip
_DELIVERY = (
    "id", "webhook", "event", "task_id", "state", "attempts", "created_at", "due_at", "tried_at", "status", "answer",
)  # fmt: skip
_HOOK = (
    "name", "scheme", "type", "queue", "priority", "template", "events", "may_run_code", "former_until", "disabled_at",
    "used_at", "refused_at", "created_at", "created_by",
)  # fmt: skip
_TIMES = (
    "former_until", "disabled_at", "last_delivered_at", "failing_since", "created_at", "due_at", "tried_at", "used_at",
    "refused_at",
)  # fmt: skip


class _Named:
    """What webhooks and hooks have in common: a place in the API, and one word for one of them."""

    def __init__(self, client: Client, place: str, word: str, fields: Sequence[str]) -> None:
        self._client, self._place, self._word, self._fields = client, place, word, fields

    def list_all(self) -> list[dict[str, Any]]:
        return [record_of(one, self._fields, _TIMES) for one in self._client.request("GET", path_of(self._place))]

    def change(self, name: str, fields: Mapping[str, Any]) -> bool:
        return bool(self._of("PATCH", name, json=dict(fields))["is_changed"])

    def switch(self, name: str, *, is_disabled: bool, reason: str = "") -> bool:
        given = {"is_disabled": is_disabled, **({"reason": reason} if reason else {})}
        return bool(self._of("PATCH", name, json=given)["is_changed"])

    def remove(self, name: str) -> bool:
        try:
            self._client.request("DELETE", path_of(self._place, check_hook_name(name)))
        except ItemNotFound:
            return False
        return True

    def _add(self, given: Mapping[str, Any]) -> str:
        check_hook_name(given["name"])
        return str(self._client.request("POST", path_of(self._place), json=given)["secret"])

    def _of(self, method: str, name: str, *rest: str, json: Any = None, **query: Any) -> Any:
        path = path_of(self._place, check_hook_name(name), *rest)
        try:
            return self._client.request(method, path, params=query, json=json)
        except ItemNotFound:
            raise refused("name", name, f"the name of a {self._word}") from None


class RemoteWebhooks(_Named):
    """The webhooks of the installation whose API a client reaches; see `WebhookPort`."""

    def __init__(self, client: Client) -> None:
        super().__init__(client, "webhooks", "webhook", _WEBHOOK)

    def add(self, name: str, url: str, fields: Mapping[str, Any]) -> str:
        return self._add({"name": name, "url": url, **fields})

    def rotate(self, name: str) -> str:
        return str(self._of("POST", name, "secret")["secret"])

    def ping(self, name: str) -> str:
        return str(self._of("POST", name, "ping")["id"])

    def deliveries(self, name: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        if state is not None and state not in set(DeliveryState):
            raise refused("state", state, f"one of {', '.join(DeliveryState)}")
        names = [one["name"] for one in self.list_all()] if name is None else [name]
        found = [one for own in names for one in self._of("GET", own, "deliveries", state=state, limit=limit)]
        found.sort(key=lambda one: str(one["id"]), reverse=True)  # ids tell the time
        return [record_of(one, _DELIVERY, _TIMES) for one in found[:limit]]

    def send(self, name: str, id: str) -> bool:
        try:
            self._client.request("POST", path_of("webhooks", name, "deliveries", id, "send"))
        except ItemNotFound:
            return False
        return True


class RemoteHooks(_Named):
    """The hooks of the installation whose API a client reaches; see `HookPort`."""

    def __init__(self, client: Client) -> None:
        super().__init__(client, "hooks", "hook", _HOOK)

    def add(self, name: str, scheme: str, type: str, template: Any, fields: Mapping[str, Any]) -> str:
        given = {"name": name, "scheme": scheme, "type": type, "template": check_template(template), **fields}
        return self._add(given)

    def change(self, name: str, fields: Mapping[str, Any]) -> bool:
        if "template" in fields:
            check_template(fields["template"])
        return super().change(name, fields)

    def rotate(self, name: str, secret: str | None) -> str:
        return str(self._of("POST", name, "secret", json={"secret": secret})["secret"])
