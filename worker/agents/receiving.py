"""Messages that an attempt receives from its agent's mailbox, and when they count as dealt with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from time import monotonic
from typing import Any

import structlog

from core.errors import Unavailable
from core.messages import Mailbox, Message

STEP_SECONDS = 0.5  # within which a wait learns of a cancellation

log = structlog.get_logger(__name__)


class Receiving:
    """Of one attempt. A message is acknowledged when the next is asked for, or when the attempt ends well."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._last: Message | None = None

    def next(self, timeout_seconds: float, is_cancelled: Callable[[], bool]) -> dict[str, Any] | None:
        """The next message as a dict of Message's fields; None if none came in time. Raises Unavailable."""
        self._acknowledge()
        deadline = monotonic() + timeout_seconds
        while True:
            left = deadline - monotonic()
            found = self._mailbox.receive(min(max(0.0, left), STEP_SECONDS), 1)
            if found:
                self._last = found[0]
                return asdict(found[0])
            if left <= 0 or is_cancelled():
                return None

    def conclude(self, *, is_well: bool) -> None:
        """The attempt is over. What it left is delivered again, as it would have been if its process had died."""
        if not is_well:
            return
        try:
            self._acknowledge()
        except Unavailable as error:
            log.info("message.delivered_again", reason=str(error))

    def _acknowledge(self) -> None:
        if self._last is not None:
            self._mailbox.ack(self._last)
            self._last = None
