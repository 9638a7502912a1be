"""Defines the notification that channels send."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from taskyard.core.alerts.rule_titles import rule_title
from taskyard.worker.logging.redaction import redacted_text


@dataclass(frozen=True, slots=True)
class Told:
    """One of the alerts of a notification."""

    id: str
    subject: str
    message: str
    value: float | None
    fired_at: str
    resolved_at: str | None
    url: str | None
    subject_url: str | None

    @classmethod
    def of(cls, one: Notification) -> Self:
        """Returns what a notification says of its own alert."""
        return cls(one.id, one.subject, one.message, one.value, one.fired_at, one.resolved_at, one.url, one.subject_url)


@dataclass(frozen=True, slots=True)
class Notification:
    """An alert that fired or was resolved, or `count` of one rule. Times are in ISO 8601; `installation` is the
    namespace.

    `runbook` is the command that prints what to do about it; `url` leads to the alert with its runbook, or to the
    rule's alerts, and `subject_url` to what it is about. Both are None unless the dashboard has a name for others.
    `alerts` has the first of a group, and is empty for one alert alone; `rule_url` is for making a group.
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
    count: int = 1
    url: str | None = None
    subject_url: str | None = None
    alerts: tuple[Told, ...] = ()
    rule_url: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns what receivers get: of one alert alone, too, as the only one of `alerts`."""
        document = asdict(self)
        del document["rule_url"]
        return {**document, "alerts": [asdict(one) for one in self.alerts or (Told.of(self),)]}

    @property
    def title(self) -> str:
        """Returns one line: the state, severity, rule, count and subject."""
        count = f" ×{self.count}" if self.count > 1 else ""
        return f"[{self.event}] {self.severity}: {rule_title(self.rule)}{count} ({self.subject})"


class DeliveryFailed(Exception):
    """Raised if a channel failed; `may_retry` says whether another try makes sense."""

    def __init__(self, reason: str, *, may_retry: bool) -> None:
        super().__init__(redacted_text(reason))
        self.may_retry = may_retry
