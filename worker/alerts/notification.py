"""Defines the notification that channels send."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from taskyard.core.alerts.rule_titles import rule_title
from taskyard.worker.logging.redaction import redacted_text


@dataclass(frozen=True, slots=True)
class Notification:
    """An alert that fired or was resolved. Times are in ISO 8601; `installation` is the namespace.

    `runbook` is the command that prints what to do about it.
    """

    event: Literal["firing", "resolved"]
    id: str
    rule: str
    subject: str
    severity: str
    message: str
    value: float | None
    threshold: float | None
    fired_at: str
    resolved_at: str | None
    installation: str
    runbook: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def title(self) -> str:
        """Returns one line: the state, severity and subject."""
        return f"[{self.event}] {self.severity}: {rule_title(self.rule)} ({self.subject})"


class DeliveryFailed(Exception):
    """Raised if a channel failed; `may_retry` says whether another try makes sense."""

    def __init__(self, reason: str, *, may_retry: bool) -> None:
        super().__init__(redacted_text(reason))
        self.may_retry = may_retry
