"""What a handler may ask of the engine while it runs."""

from __future__ import annotations

import math
import os
from typing import Any, Protocol

from core.errors import PermanentError, TaskCancelled
from core.messages import Message
from worker.agents.asked import check_message, input_json, json_of, plain_options
from worker.agents.child_keys import ChildKeys, own_key

RECEIVE_LIMIT_SECONDS = 86_400


class Channel(Protocol):
    """The way from a running handler to its agent; one implementation per isolation."""

    def emit(self, message: dict[str, Any]) -> None:
        """Sends a report that needs no answer."""

    def request(self, message: dict[str, Any]) -> Any:
        """Sends a request and returns its answer; raises the HandlerError that the agent answers with."""

    def is_cancelled(self) -> bool:
        """Whether the task was cancelled."""


class TaskContext:
    """Handed to every handler as its second argument.

    `task_id` and `attempt` together name this attempt; `attempt` only grows, so it serves as a
    fencing token towards other systems. `last_checkpoint` is what an earlier attempt saved last.
    """

    def __init__(
        self,
        task_id: str,
        task_type: str,
        attempt: int,
        channel: Channel,
        last_checkpoint: Any = None,
        children: int = 0,
    ) -> None:
        self.task_id = task_id
        self.task_type = task_type
        self.attempt = attempt
        self.last_checkpoint = last_checkpoint
        self._channel = channel
        self._keys = ChildKeys(children)
        self._process_id = os.getpid()

    def progress(self, fraction: float, message: str = "") -> None:
        """Reports how far the task is: 0.0 … 1.0 and what it does now."""
        if not (isinstance(fraction, int | float) and math.isfinite(fraction) and 0 <= fraction <= 1):
            raise ValueError(f"progress: fraction {fraction!r} is not accepted, expected a number from 0 to 1")
        self._channel.emit({"kind": "progress", "fraction": float(fraction), "message": str(message)[:500]})

    def log(self, message: str, level: str = "info") -> None:
        """Writes a line into the task's history."""
        self._channel.emit({"kind": "log", "level": str(level)[:20], "message": str(message)[:4000]})

    def checkpoint(self, state: Any) -> None:
        """Saves JSON-able `state` for the next attempt, which finds it in `last_checkpoint`.

        Raises PermanentError for a state that would not come back as it is, with the part that would not.
        """
        text = json_of("checkpoint", state)
        self._request({"kind": "checkpoint", "state": text, "children": self._keys.begin_checkpoint()})

    @property
    def cancelled(self) -> bool:
        """Whether the task was cancelled; a handler that sees True may clean up and return."""
        return self._channel.is_cancelled()

    def raise_if_cancelled(self) -> None:
        """Raises TaskCancelled if the task was cancelled."""
        if self.cancelled:
            raise TaskCancelled(f"task {self.task_id} was cancelled")

    def submit(self, task_type: str, input: Any = None, *, key: str | None = None, **options: Any) -> str:
        """Submits a child task and returns its id once it is committed. Any thread of the handler may call it.

        `options` are those of `core.submission.submit`. A later attempt gets the same children again, told
        by what is submitted and how often since the last checkpoint; where that is not the same in each
        attempt (a time, a random number), `key` tells them. Raises PermanentError with the reason if it is
        refused, as it is once this attempt is no longer its task's current one.
        """
        request: dict[str, Any] = {
            "type": str(task_type),
            "input": input_json(input),
            "options": plain_options(options),
        }
        if key is not None:
            return str(self._request({"kind": "submit", **request, "key": own_key(key)}))
        named = self._keys.key_of(**request)
        try:
            return str(self._request({"kind": "submit", **request, "key": named}))
        except BaseException:
            self._keys.give_back(named)
            raise

    def send(self, agent: str, message: Any) -> None:
        """Sends a JSON-able message to another agent by name; it is delivered at least once.

        Raises PermanentError for a message that would not arrive as it is.
        """
        check_message(message)
        self._request({"kind": "send", "agent": agent, "message": message})

    def receive(self, timeout_seconds: float = 0.0) -> Message | None:
        """The next message that was sent to this task's agent, by its name; None if none comes in time.

        It counts as dealt with when the next one is asked for, or when this attempt succeeds; otherwise it is
        delivered again a minute later, to whoever asks then, and after five times it is a dead letter. Raises
        TaskCancelled if the task is cancelled while it waits, and ValueError for a time that is none.
        """
        if not (isinstance(timeout_seconds, int | float) and 0 <= timeout_seconds <= RECEIVE_LIMIT_SECONDS):
            expected = f"a number of seconds from 0 to {RECEIVE_LIMIT_SECONDS}"
            raise ValueError(f"receive: timeout_seconds {timeout_seconds!r} is not accepted, expected {expected}")
        found = self._request({"kind": "receive", "timeout_seconds": float(timeout_seconds)})
        if found is None:
            self.raise_if_cancelled()
            return None
        return Message(**found)

    def _request(self, message: dict[str, Any]) -> Any:
        """The answer to a request; a process that the handler forked may ask nothing: it would get others' answers."""
        if os.getpid() != self._process_id:
            expected = "a call in the handler's own process: its threads may, processes that it forked may not"
            raise PermanentError(f"{message['kind']}: process {os.getpid()} is not accepted, expected {expected}")
        return self._channel.request(message)
