"""Says what the commands on messages between agents need of an installation; see `port`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class MailPort(Protocol):
    """The operations on mailboxes; records are as JSON has them. All may raise Unavailable and NotPermitted."""

    def boxes(self) -> list[dict[str, Any]]:
        """Returns mailboxes with messages or dead letters, the one with the oldest message first."""

    def letters(self, agent: str, *, dead: bool, count: int, older_than_seconds: float) -> list[dict[str, Any]]:
        """Returns an agent's oldest messages, or newest dead letters."""

    def redrive(self, agent: str, ids: Sequence[str] | None) -> tuple[int, list[str]]:
        """Sends dead letters again; returns how many, and why others were not. Raises SubmissionError."""

    def purge(self, agent: str, *, dead: bool, older_than_seconds: float) -> int:
        """Removes messages, or dead letters, and returns how many."""
