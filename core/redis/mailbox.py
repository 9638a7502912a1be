"""Passes messages between agents over Redis Streams: delivered at least once, then deleted.

A message that its reader does not acknowledge in time is delivered again, and becomes a dead letter after too many
deliveries. Works with Redis 5.0: no XAUTOCLAIM, no XPENDING IDLE. Mailboxes are bounded in messages and bytes, as
are dead letters and the number of mailboxes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

import orjson
from redis.exceptions import ResponseError

from taskyard.core.clock import Clock
from taskyard.core.errors import SubmissionError, Unavailable
from taskyard.core.i18n import msg
from taskyard.core.payload.encode import encode_json
from taskyard.core.redis.agent_names import agent_name
from taskyard.core.redis.connection import MAX_BLOCK_SECONDS, Client, reaching_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.message import MAX_BODY_BYTES, Message

GROUP = "agent"
MAX_LENGTH = 10_000  # messages that may wait for one agent …
MAX_BOX_BYTES = 64 << 20  # … and their limit of Redis memory
MAX_MAILBOXES = 10_000
MAX_DEAD_LETTERS = 1_000  # the oldest dead letters go first …
MAX_DEAD_BYTES = 16 << 20  # … also of those of one agent that take more
IDLE_SECONDS = 60.0
MAX_DELIVERIES = 5
_PAGE = 100
_GROUP_IS_GONE = ("NOGROUP", "UNBLOCKED")  # the second: while a read was waiting
_GROUP_TRIES = 3
FULL = ("messages", "bytes", "mailboxes")  # what a mailbox may exceed

_Answer = TypeVar("_Answer")

# Whether a stream exceeds its memory limit; measured only where its length makes that possible.
OVER = f"""
local function over(stream, length, limit)
    return length * {MAX_BODY_BYTES} > limit and redis.call('MEMORY', 'USAGE', stream, 'SAMPLES', 0) > limit
end
"""

# KEYS stream, mailboxes; ARGV limit of messages, of bytes, of mailboxes, agent, sender, body.
# A full mailbox refuses: dropping an old message would lose it silently.
PUT = f"""
{OVER}
local length = redis.call('XLEN', KEYS[1])
if length >= tonumber(ARGV[1]) then return 'messages' end
if over(KEYS[1], length, tonumber(ARGV[2])) then return 'bytes' end
if redis.call('SISMEMBER', KEYS[2], ARGV[4]) == 0 then
    if redis.call('SCARD', KEYS[2]) >= tonumber(ARGV[3]) then return 'mailboxes' end
    redis.call('SADD', KEYS[2], ARGV[4])
end
return redis.call('XADD', KEYS[1], '*', 'from', ARGV[5], 'body', ARGV[6])
"""

# KEYS stream, dead letters, mailboxes (or not); ARGV group, id, reason, deliveries, limit, limit of bytes, agent.
# Moves a message unless it was acknowledged meanwhile; an invalid one is kept only up to a limit.
BURY = f"""
{OVER}
local found = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
if found then
    local letter = {{'id', ARGV[2], 'reason', ARGV[3], 'deliveries', ARGV[4]}}
    for at = 1, #found[2], 2 do
        if found[2][at] == 'from' or found[2][at] == 'body' then
            letter[#letter + 1] = found[2][at]
            letter[#letter + 1] = string.sub(found[2][at + 1], 1, {MAX_BODY_BYTES})
        end
        if #letter >= 10 then break end
    end
    redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[5], '*', unpack(letter))
    if KEYS[3] then redis.call('SADD', KEYS[3], ARGV[7]) end
    local length = redis.call('XLEN', KEYS[2])
    while length > 1 and over(KEYS[2], length, tonumber(ARGV[6])) do
        length = length - math.ceil(length / 8)
        redis.call('XTRIM', KEYS[2], 'MAXLEN', length)
    end
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return redis.call('XDEL', KEYS[1], ARGV[2])
"""


def at_once(command: Callable[[], _Answer]) -> _Answer:
    """Returns the result of `command`."""
    return command()


class Mailbox:
    """Sends messages to any agent and reads those for `agent`.

    Several readers may share one mailbox. Every method raises Unavailable if Redis is away. `mending` runs
    commands, and repeats one after quarantining a foreign value in its key.
    """

    def __init__(
        self,
        client: Client,
        keys: Keys,
        agent: str,
        *,
        idle_seconds: float = IDLE_SECONDS,
        max_deliveries: int = MAX_DELIVERIES,
        length_limit: int = MAX_LENGTH,
        bytes_limit: int = MAX_BOX_BYTES,
        clock: Clock | None = None,
        mending: Callable[[Callable[[], Any]], Any] = at_once,
    ) -> None:
        self._redis = client
        self._keys = keys
        self._agent = agent_name("agent", agent)
        self._stream = keys.messages(agent)
        self._dead = keys.dead_letters(agent)
        self._idle_milliseconds = round(idle_seconds * 1000)
        self._max_deliveries = max_deliveries
        self._length_limit, self._bytes_limit = length_limit, bytes_limit
        self._mending = mending
        self._lists = [keys.mailboxes]
        self._clock = clock or Clock()
        self._send = client.register_script(PUT)
        self._bury = client.register_script(BURY)

    def send(self, sender: str, to: str, body: Any) -> str:
        """Puts JSON-able `body` into the mailbox of agent `to`; returns the message's id.

        Raises SubmissionError for a body that JSON can't hold or above BODY_LIMIT_BYTES, and Unavailable if the
        mailbox is full. If the answer is lost, the message may have been sent.
        """
        text = encode_json("body", body, MAX_BODY_BYTES)
        keys = [self._keys.messages(agent_name("to", to)), self._keys.mailboxes]
        limits = [self._length_limit, self._bytes_limit, MAX_MAILBOXES]
        arguments = [*limits, to, agent_name("sender", sender), text]
        with reaching_redis():
            message_id: str = self._mending(lambda: self._send(keys=keys, args=arguments)).decode()
        if message_id in FULL:
            raise Unavailable(full_text(message_id, to, self._length_limit, self._bytes_limit))
        return message_id

    def is_empty(self) -> bool:
        """Returns True if there is no message, neither unread nor being processed; the cheapest check."""
        with reaching_redis():
            return bool(self._mending(lambda: self._redis.xlen(self._stream)) == 0)

    def receive(
        self, block_seconds: float = 0.0, count: int = 10, held: Collection[str] = frozenset()
    ) -> list[Message]:
        """Returns up to `count` messages; waits at most `block_seconds` for the first.

        Messages unacknowledged after the idle time come first, except those still `held` (by id). Acknowledge each
        once it is processed.
        """
        deadline = self._clock.monotonic() + block_seconds
        while True:
            left = deadline - self._clock.monotonic()
            with reaching_redis():
                read = partial(self._collected_by_group, count, min(left, MAX_BLOCK_SECONDS), held)
                messages: list[Message] = self._mending(read)
            if messages or left <= 0:
                return messages

    def ack(self, message: Message) -> bool:
        """Deletes a processed message; returns False if it became a dead letter or was acknowledged before."""
        return self.ack_all([message.id]) == 1

    def ack_all(self, message_ids: Collection[str]) -> int:
        """Deletes messages by id; returns how many existed."""

        def delete() -> int:
            pipeline = self._redis.pipeline(transaction=True)  # XACK alone would leave them in the stream
            pipeline.xack(self._stream, GROUP, *message_ids)
            pipeline.xdel(self._stream, *message_ids)
            return int(pipeline.execute()[1])

        with reaching_redis():
            return int(self._mending(delete))

    def give_back(self, messages: Mapping[str, int]) -> None:
        """Redelivers messages (deliveries by id) at once, as if their idle time were over."""
        with reaching_redis():
            for message_id, deliveries in messages.items():
                idle = {"idle": self._idle_milliseconds, "retrycount": deliveries, "justid": True}
                claim = partial(self._redis.xclaim, self._stream, GROUP, self._agent, 0, [message_id], **idle)
                try:
                    self._mending(claim)
                except ResponseError as error:
                    if not str(error).startswith(_GROUP_IS_GONE):
                        raise
                    return  # a new group reads what is there from its start

    def _collected_by_group(self, count: int, block_seconds: float, held: Collection[str]) -> list[Message]:
        """Reads messages; creates the group if it is missing because the stream is new or was wiped."""
        for _ in range(_GROUP_TRIES):
            try:
                return self._collected(count, block_seconds, held)
            except ResponseError as error:
                if not str(error).startswith(_GROUP_IS_GONE):
                    raise
            self._create_group()
        raise Unavailable(
            msg(
                "Redis lost the mailbox of agent {agent} {tries} times in a row",
                agent=self._agent,
                tries=_GROUP_TRIES,
            )
        )

    def _create_group(self) -> None:
        try:
            # From the start, so that what was sent before the group existed is read too.
            self._redis.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):  # another reader was faster
                raise

    def _collected(self, count: int, block_seconds: float, held: Collection[str]) -> list[Message]:
        messages = self._redelivered(count, held)
        if len(messages) < count:
            # Redis takes BLOCK 0 for "for ever".
            block = None if messages or block_seconds <= 0 else max(1, int(block_seconds * 1000))
            reply = self._redis.xreadgroup(
                GROUP, self._agent, {self._stream: ">"}, count=count - len(messages), block=block
            )
            entries = reply[0][1] if reply else []
            messages += self._parsed((entry_id, fields, 1) for entry_id, fields in entries)
        return messages

    def _redelivered(self, count: int, held: Collection[str]) -> list[Message]:
        """Takes over messages delivered too long ago; turns those delivered too often into dead letters."""
        overdue: dict[bytes, int] = {}
        start = "-"
        while len(overdue) < count:
            page = self._redis.xpending_range(self._stream, GROUP, min=start, max="+", count=_PAGE)
            for entry in page:
                if entry["time_since_delivered"] < self._idle_milliseconds or entry["message_id"].decode() in held:
                    continue
                if entry["times_delivered"] >= self._max_deliveries:
                    reason = f"delivered {entry['times_delivered']} times and never acknowledged"
                    self._give_up(entry["message_id"], reason, entry["times_delivered"])
                elif len(overdue) < count:
                    overdue[entry["message_id"]] = entry["times_delivered"] + 1
            if len(page) < _PAGE:
                break
            start = next_id(page[-1]["message_id"])
        if not overdue:
            return []
        # The idle time again: of two readers only the first takes a message over.
        claimed = self._redis.xclaim(self._stream, GROUP, self._agent, self._idle_milliseconds, list(overdue))
        return self._parsed((entry_id, fields, overdue[entry_id]) for entry_id, fields in claimed if entry_id)

    def _parsed(self, entries: Iterable[tuple[bytes, Mapping[bytes, bytes], int]]) -> list[Message]:
        messages = []
        for entry_id, fields, deliveries in entries:
            try:
                body, sender = parsed(fields)
            except (KeyError, ValueError, SubmissionError) as error:
                self._give_up(entry_id, f"malformed: {type(error).__name__}", deliveries)
                continue
            messages.append(Message(entry_id.decode(), sender, body, deliveries))
        return messages

    def _give_up(self, entry_id: bytes, reason: str, deliveries: int) -> None:
        arguments = [GROUP, entry_id, reason, deliveries, MAX_DEAD_LETTERS, MAX_DEAD_BYTES, self._agent]
        self._bury(keys=[self._stream, self._dead, *self._lists], args=arguments)


def parsed(fields: Mapping[bytes, bytes]) -> tuple[Any, str]:
    """Returns body and sender of an entry; raises KeyError, ValueError or SubmissionError if it is no message."""
    text = fields[b"body"]
    if len(text) > MAX_BODY_BYTES:
        raise ValueError("above the limit")
    return orjson.loads(text), agent_name("sender", fields[b"from"].decode())


def full_text(what: str, agent: str, length_limit: int, bytes_limit: int) -> str:
    """Returns why a mailbox accepts no more; `what` is one of FULL."""
    if what == "messages":
        return msg("the mailbox of agent {to} is full: it holds {count} messages", to=agent, count=length_limit)
    if what == "bytes":
        size = bytes_limit >> 20
        return msg("the mailbox of agent {to} is full: its messages take more than {size} MiB", to=agent, size=size)
    return msg("agent {to} gets no mailbox: the limit of {count} is reached", to=agent, count=MAX_MAILBOXES)


def next_id(entry_id: bytes) -> str:
    """Returns the smallest greater id."""
    milliseconds, sequence = entry_id.decode().split("-")
    return f"{milliseconds}-{int(sequence) + 1}"
