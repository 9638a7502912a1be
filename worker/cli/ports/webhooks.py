"""Says what the commands on webhooks and hooks need of an installation; see `port`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class WebhookPort(Protocol):
    """The operations on webhooks; records are as JSON has them. All may raise Unavailable and NotPermitted.

    Those that take a name raise SubmissionError for one that no webhook has, if nothing else is said.
    """

    def add(self, name: str, url: str, fields: Mapping[str, Any]) -> str:
        """Adds a webhook, with defaults for fields that are not named, and returns its secret."""

    def list_all(self) -> list[dict[str, Any]]:
        """Returns all webhooks by name."""

    def change(self, name: str, fields: Mapping[str, Any]) -> bool:
        """Changes the fields that are named; returns False if it was like that."""

    def switch(self, name: str, *, is_disabled: bool, reason: str = "") -> bool:
        """Disables or enables; returns False if it was like that."""

    def remove(self, name: str) -> bool:
        """Removes a webhook; returns False if there is none."""

    def rotate(self, name: str) -> str:
        """Makes another secret and returns it."""

    def ping(self, name: str) -> str:
        """Queues a test message and returns the id of its delivery."""

    def deliveries(self, name: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        """Returns the newest messages, of one webhook or all."""

    def send(self, name: str, id: str) -> bool:
        """Queues a message once more; returns False if it waits to be sent, or there is none."""


class HookPort(Protocol):
    """The operations on hooks, as those on webhooks."""

    def add(self, name: str, scheme: str, type: str, template: Any, fields: Mapping[str, Any]) -> str:
        """Adds a hook, with defaults for fields that are not named, and returns its secret."""

    def list_all(self) -> list[dict[str, Any]]:
        """Returns all hooks by name."""

    def change(self, name: str, fields: Mapping[str, Any]) -> bool:
        """Changes the fields that are named; returns False if it was like that."""

    def switch(self, name: str, *, is_disabled: bool) -> bool:
        """Disables or enables; returns False if it was like that."""

    def remove(self, name: str) -> bool:
        """Removes a hook; returns False if there is none."""

    def rotate(self, name: str, secret: str | None) -> str:
        """Takes another secret, or makes one, and returns it."""
