"""Gives an agent's messages to its attempts: each belongs to one attempt until that ends.

The messages of a successful attempt are acknowledged once its end has reached the dispatcher; those of any other
attempt are delivered again. If this process dies, nothing was acknowledged, and the agent's next boot gets the
messages after the mailbox's idle time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from taskyard.core.errors import PermanentError, SubmissionError, TransientError, Unavailable
from taskyard.core.protocol import Pair
from taskyard.core.redis.message import Message
from taskyard.core.redis.ports import AgentMailbox
from taskyard.core.threads import count_escape

MAX_HELD = 100  # messages that an attempt may have received and not acknowledged

log = structlog.get_logger(__name__)


class AgentMail:
    """Answers attempts' mailbox requests, and settles their messages when they end."""

    def __init__(self, mailbox: AgentMailbox, agent: str, is_running: Callable[[Pair], bool]) -> None:
        self._mailbox, self._agent, self._is_running = mailbox, agent, is_running
        self._lock = threading.Lock()
        self._held: dict[Pair, dict[str, int]] = {}  # of running attempts: deliveries by id
        self._succeeded: dict[Pair, dict[str, int]] = {}  # of attempts whose end is being sent

    def request(self, pair: Pair, message: dict[str, Any]) -> Any:
        """Answers a request of an attempt; raises PermanentError if it is refused, TransientError otherwise."""
        if message["kind"] == "receive":
            return self._receive(pair)
        try:
            if message["kind"] == "ack":
                return self._ack(pair, message["id"])
            return self._mailbox.send(self._agent, message["agent"], message["message"])
        except SubmissionError as error:
            raise PermanentError(f"send: {error}") from None
        except Unavailable as error:
            raise TransientError(f"{message['kind']}: {error}") from None

    def end(self, pair: Pair, *, is_success: bool) -> None:
        """Ends an attempt: its messages wait for the arrival of its end, or are given back at once.

        An attempt that runs no more holds nothing new, see `_held_by`.
        """
        if pair not in self._held:  # without the lock, since every attempt comes by here
            return
        with self._lock:
            own = self._held.pop(pair, None)
            if own and is_success:
                self._succeeded[pair] = own
                return
        if own:
            self._settle(lambda: self._mailbox.give_back(own))

    def note_arrival(self, pairs: Sequence[Pair]) -> None:
        """Acknowledges the messages of successful attempts, since their ends have arrived."""
        for pair in pairs if self._succeeded else ():
            own = self._succeeded.get(pair)
            if own:
                self._settle(lambda own=own: self._mailbox.ack_all(own))  # type: ignore[misc]
                with self._lock:
                    self._succeeded.pop(pair, None)

    def _receive(self, pair: Pair) -> dict[str, Any]:
        with self._lock:
            if len(self._held_by(pair)) >= MAX_HELD:
                raise PermanentError(
                    f"receive: this attempt has {MAX_HELD} unacknowledged messages: "
                    "call context.ack(message) for processed ones"
                )
            held = {one for own in (*self._held.values(), *self._succeeded.values()) for one in own}
        try:
            found = [] if self._mailbox.is_empty() else self._mailbox.receive(count=1, held=held)
        except Unavailable as error:
            return {"message": None, "away": str(error)}
        return {"message": _fields(self._taken(pair, found[0])) if found else None, "away": ""}

    def _held_by(self, pair: Pair) -> dict[str, int]:
        """Returns what a running attempt holds."""
        own = self._held.setdefault(pair, {})  # before the look: its end sees this, or this sees its end
        if not own and not self._is_running(pair):
            del self._held[pair]
            raise TransientError("receive: the attempt is over")
        return own

    def _taken(self, pair: Pair, message: Message) -> Message:
        with self._lock:
            own = self._held.get(pair)
            if own is not None:
                own[message.id] = message.deliveries
                return message
        self._settle(lambda: self._mailbox.give_back({message.id: message.deliveries}))
        raise TransientError("receive: the attempt is over")

    def _ack(self, pair: Pair, message_id: object) -> bool:
        with self._lock:
            own = self._held.get(pair, {})
            if not isinstance(message_id, str) or message_id not in own:
                return False
        self._mailbox.ack_all([message_id])
        with self._lock:
            own.pop(message_id, None)
        return True

    def _settle(self, command: Callable[[], object]) -> None:
        """Runs a command without waiting: a message that it misses is delivered again after the idle time."""
        try:
            command()
        except Unavailable as error:
            log.warning("mail.unsettled", agent=self._agent, reason=str(error))
        except Exception:
            count_escape("mail")
            log.exception("mail.unsettled", agent=self._agent)


def _fields(message: Message) -> dict[str, Any]:
    """Returns the message's fields without a deep copy: a body may be large, or deeply nested."""
    return {name: getattr(message, name) for name in ("id", "sender", "body", "deliveries")}
