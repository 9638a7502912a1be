"""Implements the operations on messages between agents over HTTP, through the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskyard.client import Client
from taskyard.worker.cli.remote.records import path_of, record_of

MAX_IDS = 1_000  # of one request
_BOX = ("agent", "messages", "being_read", "oldest_seconds", "bytes", "dead_letters")
_LETTER = ("id", "agent", "sender", "age_seconds", "body", "deliveries", "reason", "message_id", "is_masked")


class RemoteMail:
    """The mailboxes of the installation whose API a client reaches; see `MailPort`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def boxes(self) -> list[dict[str, Any]]:
        return [record_of(box, _BOX) for box in self._client.request("GET", "/mailboxes")]

    def letters(self, agent: str, *, dead: bool, count: int, older_than_seconds: float) -> list[dict[str, Any]]:
        query = {"dead": dead, "older_than_seconds": older_than_seconds, "limit": count}
        found = self._client.request("GET", path_of("mailboxes", agent), params=query)
        return [record_of(letter, _LETTER) for letter in found]

    def redrive(self, agent: str, ids: Sequence[str] | None) -> tuple[int, list[str]]:
        path = path_of("mailboxes", agent, "redrive")
        parts = [None] if not ids else [ids[start : start + MAX_IDS] for start in range(0, len(ids), MAX_IDS)]
        ended = [self._client.request("POST", path, json={"ids": part}) for part in parts]
        return sum(one["sent"] for one in ended), [reason for one in ended for reason in one["refused"]]

    def purge(self, agent: str, *, dead: bool, older_than_seconds: float) -> int:
        query = {"dead": dead, "older_than_seconds": older_than_seconds}
        return int(self._client.request("DELETE", path_of("mailboxes", agent), params=query)["removed"])
