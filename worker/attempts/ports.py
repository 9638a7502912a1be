"""Defines what an attempt needs of its agent."""

from __future__ import annotations

from typing import Any, Protocol

from taskyard.core.protocol import AgentInfo, Report
from taskyard.worker.attempts.requests import PendingRequests

Pair = tuple[str, int]


class Outbox(Protocol):
    """Takes reports for the dispatcher."""

    def add(self, report: Report) -> None:
        """Sends a report with the next ones."""


class Mail(Protocol):
    """The agent's mailbox."""

    def request(self, pair: Pair, message: dict[str, Any]) -> Any:
        """Executes an attempt's mailbox request, and returns the answer."""


class AttemptOwner(Protocol):
    """The agent, as its attempts need it."""

    @property
    def info(self) -> AgentInfo: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def mail(self) -> Mail: ...

    @property
    def requests(self) -> PendingRequests: ...
