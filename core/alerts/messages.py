"""Makes the messages of stored and sent alerts translatable (pure)."""

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
    """Returns an alert's message in this release's words; the stored English text if its id is unknown."""
    return rendered(MESSAGES, alert.message, alert.message_id, alert.message_parameters)
