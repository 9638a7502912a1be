"""Implements the operations on messages between agents by this host's own connection to Redis."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import cached_property
from typing import Any

from taskyard.core.access.identity import local_actor
from taskyard.core.redis.broker import Broker
from taskyard.core.submission import authorized_mail
from taskyard.worker.cli.connections import opened_broker


class LocalMail:
    """The mailboxes of the installation that the settings name; see `MailPort`."""

    def __init__(self, opened: ExitStack) -> None:
        """Leaves it to `opened` to close what it opens."""
        self._opened = opened

    def boxes(self) -> list[dict[str, Any]]:
        return [asdict(box) for box in self._broker.mailbox_admin.boxes()]

    def letters(self, agent: str, *, dead: bool, count: int, older_than_seconds: float) -> list[dict[str, Any]]:
        office = self._broker.mailbox_admin
        found = office.letters(agent, dead=dead, count=count, older_than_seconds=older_than_seconds)
        return [{**asdict(letter), "is_masked": False} for letter in found]

    def redrive(self, agent: str, ids: Sequence[str] | None) -> tuple[int, list[str]]:
        ended = authorized_mail.redrive(self._broker, local_actor(), agent, ids)
        return ended.sent, ended.refused

    def purge(self, agent: str, *, dead: bool, older_than_seconds: float) -> int:
        return authorized_mail.purge(
            self._broker, local_actor(), agent, dead=dead, older_than_seconds=older_than_seconds
        )

    @cached_property
    def _broker(self) -> Broker:
        return self._opened.enter_context(opened_broker())
