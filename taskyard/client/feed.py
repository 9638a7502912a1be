"""Follows a stream of events over as many connections as it takes; opens none itself."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, ValidationError

from taskyard.api.models.events import Event
from taskyard.client.calls import Call
from taskyard.client.exchange import Lost, Patience, Reply, Request, Rules, failure
from taskyard.client.problems import error_of_answer
from taskyard.client.sse import EventStreamReader
from taskyard.core.states import TERMINAL

SILENCE_SECONDS = 45.0  # the API sends at least a comment every 15 s


class FollowedEvent(Event):
    """An event with its place in the stream."""

    id: str = Field(description="Pass it as `after` to go on behind this event")


class Feed:
    """One stream: what to ask next, and what arrived. What a broken connection kept back comes with the next one."""

    def __init__(
        self, rules: Rules, path: str, query: Mapping[str, list[str]], after: str | None, *, is_of_task: bool
    ) -> None:
        self._rules = rules
        asked = [(name, value) for name, values in query.items() for value in values]
        self._call: Call[None] = Call("GET", path, lambda _text: None, asked)
        self._reader = EventStreamReader(after or "")
        self._is_of_task = is_of_task
        self._patience = Patience(rules)
        self._last: FollowedEvent | None = None
        self._has_received = False  # an event, by this connection

    def request(self) -> Request:
        """Returns the request of the next connection, from behind the last event on."""
        asked = self._rules.request(self._call)
        self._reader = EventStreamReader(self._reader.last_id)
        self._has_received = False
        headers = {"accept": "text/event-stream"}
        if self._reader.last_id:
            headers["last-event-id"] = self._reader.last_id
        return Request(asked.method, asked.url, asked.query, headers, None, SILENCE_SECONDS)

    def feed(self, chunk: bytes) -> list[FollowedEvent]:
        """Returns the events that are complete with these bytes; raises TaskyardError if they are none of ours."""
        self._patience = Patience(self._rules)  # it works: what comes later is another trouble
        try:
            found = [
                FollowedEvent(id=message.id, **Event.model_validate_json(message.data).model_dump())
                for message in self._reader.feed(chunk)
            ]
        except ValidationError:
            raise error_of_answer(200, b"", self._rules.address.url, {}) from None
        if found:
            self._last = found[-1]
            self._has_received = True
        return found

    def pause_seconds(self, reply: Reply | Lost | None) -> float:
        """Returns how long to wait before the next connection; None is a stream that ended by itself.

        Raises the API's error, or Unavailable once it has been away for too long.
        """
        lost = Lost("the stream of events ended", was_sent=True) if reply is None else reply
        error, at_least = failure(lost, self._call, self._rules)
        return self._patience.pause_seconds(at_least, error)

    def may_be_over(self, reply: Reply | Lost | None) -> bool:
        """Returns True if the task may have ended: by its last event, or because the API has nothing more to say."""
        has_ended = self._last is not None and self._last.to_state in TERMINAL
        return self._is_of_task and (has_ended or (reply is None and not self._has_received))
