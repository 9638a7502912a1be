"""Reads server-sent events from bytes as they come (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field

_END_OF_LINE = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Message:
    """One event: its data, its kind, and the id to go on from."""

    data: str
    event: str
    id: str


@dataclass(slots=True)
class EventStreamReader:
    """Cuts one connection's stream into messages; `last_id` is the last id that came, also one without data."""

    last_id: str = ""
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    )
    _rest: str = ""
    _data: list[str] = field(default_factory=list)
    _event: str = ""
    _id: str | None = None

    def feed(self, chunk: bytes) -> list[Message]:
        """Returns the messages that are complete with these bytes."""
        text = self._rest + self._decoder.decode(chunk)
        # a \r at the end may be the half of a \r\n
        held_back = "\r" if text.endswith("\r") else ""
        *lines, rest = _END_OF_LINE.split(text.removesuffix("\r") if held_back else text)
        self._rest = rest + held_back
        return [message for line in lines if (message := self._line(line)) is not None]

    def _line(self, line: str) -> Message | None:
        if not line:
            return self._dispatched()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatched(self) -> Message | None:
        """Ends a message: only now its id counts, since one that was cut must come again."""
        if self._id is not None:
            self.last_id = self._id
        message = Message("\n".join(self._data), self._event or "message", self.last_id) if self._data else None
        self._data, self._event, self._id = [], "", None
        return message
