"""Sends messages to other agents and receives them, for a running handler."""

from __future__ import annotations

import abc
import time
from collections.abc import Generator
from typing import Any

from taskyard.core.errors import TransientError, shortened
from taskyard.core.redis.message import Message
from taskyard.worker.attempts.context_payload import check_message

MAX_RECEIVE_SECONDS = 7 * 24 * 3600.0
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.02, 0.25  # between two checks of the mailbox


class MailContext(abc.ABC):
    """The messages of a handler's context."""

    @abc.abstractmethod
    def _request(self, message: dict[str, Any]) -> Any:
        """Returns the agent's answer to a request."""

    @abc.abstractmethod
    def raise_if_cancelled(self) -> None:
        """Raises TaskCancelled if the task was cancelled."""

    def send(self, agent: str, message: Any) -> None:
        """Sends a JSON-able message to another agent by name; it is delivered at least once.

        Raises PermanentError for a message that would not arrive unchanged or an invalid agent name, and
        TransientError for a full mailbox and while Redis is away.
        """
        check_message(message)
        self._request({"kind": "send", "agent": agent, "message": message})

    def receive(self, timeout_seconds: float = 0.0) -> Message | None:
        """Returns the next message to this agent; None if none arrives within this many seconds.

        It belongs to this attempt until `ack`, or until the attempt has succeeded; if the attempt ends otherwise,
        the message is delivered again on this agent: at least once. Messages belong to the agent by its name, not
        to the task: an attempt that is retried elsewhere gets that agent's. Raises TaskCancelled once the task was
        cancelled, TransientError if Redis stayed away, and PermanentError if the attempt has too many
        unacknowledged messages.
        """
        polls = self._polls(timeout_seconds)
        try:
            while True:
                time.sleep(next(polls))
        except StopIteration as end:
            found: Message | None = end.value
            return found

    def ack(self, message: Message) -> bool:
        """Deletes a received message now; returns False if it does not belong to this attempt (any more)."""
        if not isinstance(message, Message):
            raise ValueError(f"ack: message {shortened(message)} is not accepted, expected a message from `receive`")
        return bool(self._request({"kind": "ack", "id": message.id}))

    def _polls(self, timeout_seconds: float) -> Generator[float, None, Message | None]:
        """Checks repeatedly; yields the seconds to wait before the next check."""
        if not (
            isinstance(timeout_seconds, int | float)
            and not isinstance(timeout_seconds, bool)
            and 0 <= timeout_seconds <= MAX_RECEIVE_SECONDS
        ):
            expected = f"a number of seconds from 0 to {MAX_RECEIVE_SECONDS:.0f}"
            raise ValueError(f"receive: timeout_seconds {timeout_seconds!r} is not accepted, expected {expected}")
        deadline, pause_seconds = time.monotonic() + timeout_seconds, FIRST_PAUSE_SECONDS
        while True:
            self.raise_if_cancelled()
            answer = self._request({"kind": "receive"})
            if answer["message"] is not None:
                return Message(**answer["message"])
            left = deadline - time.monotonic()
            if left <= 0:
                if answer["away"]:
                    raise TransientError(f"receive: {answer['away']}")
                return None
            yield min(pause_seconds, left)
            pause_seconds = min(MAX_PAUSE_SECONDS, pause_seconds * 1.5)
