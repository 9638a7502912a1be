"""Messages between agents, over Redis Streams: delivered at least once, then deleted.

A message that its reader does not acknowledge in time is delivered again, and becomes a dead
letter when that happened too often. Works with Redis 5.0: no XAUTOCLAIM, no XPENDING IDLE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import redis

from core.clock import Clock
from core.errors import Unavailable
from core.inputs import encode_json, refused
from core.keys import Keys
from core.redis_client import MAX_BLOCK_SECONDS, reaching_redis
from core.texts import said

GROUP = "agent"
BODY_LIMIT_BYTES = 256 << 10
LENGTH_LIMIT = 10_000  # messages that may wait for one agent
DEAD_LETTER_LIMIT = 1_000  # the oldest dead letters go first
IDLE_SECONDS = 60.0
MAX_DELIVERIES = 5
NAME_LIMIT = 200
_PAGE = 100
_GROUP_IS_GONE = ("NOGROUP", "UNBLOCKED")  # the second: while a read was waiting
_GROUP_TRIES = 3

# KEYS stream; ARGV limit, sender, body. A full mailbox refuses: dropping an old message would lose it silently.
_SEND = """
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return false end
return redis.call('XADD', KEYS[1], '*', 'from', ARGV[2], 'body', ARGV[3])
"""

# KEYS stream, dead letters; ARGV group, id, reason, deliveries, limit.
# Moves a message unless it was acknowledged meanwhile.
_BURY = """
local found = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
if found then
    local fields = found[2]
    for _, text in ipairs({'id', ARGV[2], 'reason', ARGV[3], 'deliveries', ARGV[4]}) do
        fields[#fields + 1] = text
    end
    redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[5], '*', unpack(fields))
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return redis.call('XDEL', KEYS[1], ARGV[2])
"""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was delivered, `deliveries` times so far."""

    id: str
    sender: str
    body: Any
    deliveries: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up; `body` is its JSON text, which may be malformed."""

    id: str
    sender: str
    body: str
    deliveries: int
    reason: str


class Mailbox:
    """Sends messages to any agent and reads those for `agent`.

    Several readers may share one mailbox. Every method raises Unavailable if Redis is away.
    """

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        agent: str,
        *,
        idle_seconds: float = IDLE_SECONDS,
        max_deliveries: int = MAX_DELIVERIES,
        length_limit: int = LENGTH_LIMIT,
        clock: Clock | None = None,
    ) -> None:
        self._redis = client
        self._keys = keys
        self._agent = _name("agent", agent)
        self._stream = keys.messages(agent)
        self._dead = keys.dead_letters(agent)
        self._idle_milliseconds = round(idle_seconds * 1000)
        self._max_deliveries = max_deliveries
        self._length_limit = length_limit
        self._clock = clock or Clock()
        self._send = client.register_script(_SEND)
        self._bury = client.register_script(_BURY)

    def send(self, sender: str, to: str, body: Any) -> str:
        """Puts JSON-able `body` into the mailbox of agent `to`; returns the message's id.

        Raises SubmissionError for a body that JSON can't hold or above BODY_LIMIT_BYTES, and
        Unavailable if the mailbox is full. If the answer is lost, the message may have been sent.
        """
        text = encode_json("body", body, BODY_LIMIT_BYTES)
        stream = self._keys.messages(_name("to", to))
        with reaching_redis():
            message_id = self._send(keys=[stream], args=[self._length_limit, _name("sender", sender), text])
        if message_id is None:
            raise Unavailable(
                said("the mailbox of agent {to} is full: {count} messages wait", to=to, count=self._length_limit)
            )
        return message_id.decode()

    def receive(self, block_seconds: float = 0.0, count: int = 10) -> list[Message]:
        """Up to `count` messages; waits at most `block_seconds` for the first.

        Those that came back unacknowledged after the idle time go first. Acknowledge each once it
        is dealt with.
        """
        deadline = self._clock.monotonic() + block_seconds
        while True:
            left = deadline - self._clock.monotonic()
            with reaching_redis():
                messages = self._collected_by_group(count, min(left, MAX_BLOCK_SECONDS))
            if messages or left <= 0:
                return messages

    def ack(self, message: Message) -> bool:
        """Deletes a message that was dealt with; False if it had been given up or acknowledged before."""
        with reaching_redis():
            pipeline = self._redis.pipeline(transaction=True)  # XACK alone would leave it in the stream
            pipeline.xack(self._stream, GROUP, message.id)
            pipeline.xdel(self._stream, message.id)
            return bool(pipeline.execute()[1])

    def dead_letters(self, agent: str, count: int = 100) -> list[DeadLetter]:
        """The newest messages that `agent` was sent and that were given up, newest first."""
        with reaching_redis():
            entries = self._redis.xrevrange(self._keys.dead_letters(agent), count=count)
        return [
            DeadLetter(
                id=fields[b"id"].decode(),
                sender=fields.get(b"from", b"").decode(errors="replace"),
                body=fields.get(b"body", b"").decode(errors="replace"),
                deliveries=int(fields[b"deliveries"]),
                reason=fields[b"reason"].decode(),
            )
            for _id, fields in entries
        ]

    def _collected_by_group(self, count: int, block_seconds: float) -> list[Message]:
        """Reads; makes the group when there is none, because it is new or was wiped with Redis."""
        for _ in range(_GROUP_TRIES):
            try:
                return self._collected(count, block_seconds)
            except redis.ResponseError as error:
                if not str(error).startswith(_GROUP_IS_GONE):
                    raise
            self._create_group()
        raise Unavailable(
            said(
                "Redis lost the mailbox of agent {agent} {tries} times in a row",
                agent=self._agent,
                tries=_GROUP_TRIES,
            )
        )

    def _create_group(self) -> None:
        try:
            # From the start, so that what was sent before the group existed is read too.
            self._redis.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):  # another reader was quicker
                raise

    def _collected(self, count: int, block_seconds: float) -> list[Message]:
        messages = self._redelivered(count)
        if len(messages) < count:
            # Redis takes BLOCK 0 for "for ever".
            block = None if messages or block_seconds <= 0 else max(1, int(block_seconds * 1000))
            reply = self._redis.xreadgroup(
                GROUP, self._agent, {self._stream: ">"}, count=count - len(messages), block=block
            )
            entries = reply[0][1] if reply else []
            messages += self._parsed((entry_id, fields, 1) for entry_id, fields in entries)
        return messages

    def _redelivered(self, count: int) -> list[Message]:
        """Takes over messages that were delivered too long ago; gives up those delivered too often."""
        overdue: dict[bytes, int] = {}
        start = "-"
        while len(overdue) < count:
            page = self._redis.xpending_range(self._stream, GROUP, min=start, max="+", count=_PAGE)
            for entry in page:
                if entry["time_since_delivered"] < self._idle_milliseconds:
                    continue
                if entry["times_delivered"] >= self._max_deliveries:
                    reason = f"delivered {entry['times_delivered']} times and never acknowledged"
                    self._give_up(entry["message_id"], reason, entry["times_delivered"])
                elif len(overdue) < count:
                    overdue[entry["message_id"]] = entry["times_delivered"] + 1
            if len(page) < _PAGE:
                break
            start = _next_id(page[-1]["message_id"])
        if not overdue:
            return []
        # The idle time again: of two readers only the first takes a message over.
        claimed = self._redis.xclaim(self._stream, GROUP, self._agent, self._idle_milliseconds, list(overdue))
        return self._parsed((entry_id, fields, overdue[entry_id]) for entry_id, fields in claimed if entry_id)

    def _parsed(self, entries: Any) -> list[Message]:
        messages = []
        for entry_id, fields, deliveries in entries:
            try:
                body, sender = orjson.loads(fields[b"body"]), fields[b"from"].decode()
            except (KeyError, ValueError) as error:
                self._give_up(entry_id, f"malformed: {type(error).__name__}", deliveries)
                continue
            messages.append(Message(entry_id.decode(), sender, body, deliveries))
        return messages

    def _give_up(self, entry_id: bytes, reason: str, deliveries: int) -> None:
        self._bury(keys=[self._stream, self._dead], args=[GROUP, entry_id, reason, deliveries, DEAD_LETTER_LIMIT])


def _next_id(entry_id: bytes) -> str:
    milliseconds, sequence = entry_id.decode().split("-")
    return f"{milliseconds}-{int(sequence) + 1}"


def _name(field: str, value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= NAME_LIMIT or not value.isprintable():
        raise refused(field, value, said("a name of 1 to {limit} printable characters", limit=NAME_LIMIT))
    return value
