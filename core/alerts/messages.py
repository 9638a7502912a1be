"""What stored and sent alerts say, so that it can be translated (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from taskyard.core.alerts.kinds import MESSAGES
from taskyard.core.message_templates import rendered


class HasMessage(Protocol):
    """An alert as a row or in the live snapshot; without an id if an older release wrote it."""

    @property
    def message(self) -> str: ...

    @property
    def message_id(self) -> str | None: ...

    @property
    def message_parameters(self) -> Mapping[str, Any] | None: ...


def message_of(alert: HasMessage) -> str:
    """Returns what an alert says, in the words of this release; the stored English text if they are not known."""
    return rendered(MESSAGES, alert.message, alert.message_id, alert.message_parameters)
