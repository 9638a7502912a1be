"""Lets operators list mailboxes and dead letters, redrive messages and purge them.

Times and ages are by the Redis server's clock, which also made the ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.redis.agent_names import agent_name
from taskyard.core.redis.connection import Client, reaching_redis
from taskyard.core.redis.entry_ids import is_entry_id
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.mailbox import (
    FULL,
    GROUP,
    MAX_BOX_BYTES,
    MAX_LENGTH,
    MAX_MAILBOXES,
    PUT,
    at_once,
    full_text,
    next_id,
    parsed,
)

PAGE_BOXES = 500
PAGE_LETTERS = 50  # at most 13 MB at once
SHOWN_BODY_BYTES = 4_096  # of a message in a list

# KEYS mailboxes, then stream and dead letters of each; ARGV group, then the agents.
# Leaves out, and removes, mailboxes that have neither.
_FIGURES = """
local found = {}
for at = 2, #ARGV do
    local stream, dead = KEYS[2 * at - 2], KEYS[2 * at - 1]
    local count, buried, first, read, size = 0, 0, '', 0, 0
    if redis.call('TYPE', dead).ok == 'stream' then buried = redis.call('XLEN', dead) end
    if redis.call('TYPE', stream).ok == 'stream' then count = redis.call('XLEN', stream) end
    if count > 0 then
        first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1][1]
        local pending = redis.pcall('XPENDING', stream, ARGV[1])
        if not pending.err then read = pending[1] end
        size = redis.call('MEMORY', 'USAGE', stream)
    end
    if count + buried == 0 then
        redis.call('SREM', KEYS[1], ARGV[at])
    else
        found[#found + 1] = {ARGV[at], count, read, first, size, buried}
    end
end
return found
"""

# KEYS stream; ARGV group, last id, how many. Removes the oldest entries up to that id; returns how many.
_REMOVE = """
local found = redis.call('XRANGE', KEYS[1], '-', ARGV[2], 'COUNT', ARGV[3])
for _, entry in ipairs(found) do
    redis.pcall('XACK', KEYS[1], ARGV[1], entry[1])
    redis.call('XDEL', KEYS[1], entry[1])
end
return #found
"""


@dataclass(frozen=True, slots=True)
class MailboxSummary:
    """One agent's mailbox.

    Counts unprocessed messages, those being processed, and dead letters; the oldest message's age in seconds (None:
    none) and the approximate size in bytes.
    """

    agent: str
    messages: int
    being_read: int
    oldest_seconds: float | None
    bytes: int
    dead_letters: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in a mailbox, or a dead letter (with a reason).

    `body` is the beginning of its JSON text, which may be malformed; `message_id` is the id that it was sent under.
    """

    id: str
    agent: str
    sender: str
    age_seconds: float
    body: str
    deliveries: int | None
    reason: str | None
    message_id: str


@dataclass(frozen=True, slots=True)
class Redriven:
    """The number of dead letters sent again, and the reasons why others were not, one line each."""

    sent: int
    refused: list[str]


class MailboxAdmin:
    """Manages all mailboxes of an installation. Every method raises Unavailable if Redis is away."""

    def __init__(self, client: Client, keys: Keys, mending: Callable[[Callable[[], Any]], Any] = at_once) -> None:
        self._redis, self._keys, self._mending = client, keys, mending
        self._figures = client.register_script(_FIGURES)
        self._put = client.register_script(PUT)
        self._remove = client.register_script(_REMOVE)

    def boxes(self) -> list[MailboxSummary]:
        """Returns mailboxes with messages or dead letters, the one with the oldest message first."""
        found: list[MailboxSummary] = []
        with reaching_redis():
            now = self._now_ms()
            names = self._mending(lambda: list(islice(self._redis.sscan_iter(self._keys.mailboxes), MAX_MAILBOXES)))
            for at in range(0, len(names), PAGE_BOXES):
                page = names[at : at + PAGE_BOXES]
                keys = [key for name in page for key in (self._named(self._keys.messages, name), self._dead(name))]
                rows = self._figures(keys=[self._keys.mailboxes, *keys], args=[GROUP, *page])
                found += [_box(row, now) for row in rows]
        return sorted(found, key=lambda box: (-(box.oldest_seconds or 0.0), box.agent))

    def letters(self, agent: str, *, dead: bool, count: int, older_than_seconds: float = 0.0) -> list[Letter]:
        """Returns at most `count` of a mailbox's oldest messages, or newest dead letters, of at least this age."""
        stream = self._keys.dead_letters(agent) if dead else self._keys.messages(agent)
        with reaching_redis():
            now = self._now_ms()
            found: list[Letter] = []
            last = self._last_id(stream, now, older_than_seconds)
            for entry_id, fields in self._entries(stream, last, newest_first=dead):
                found.append(_letter(agent, entry_id, fields, now, dead=dead))
                if len(found) == count:
                    break
        return found

    def redrive(self, agent: str, ids: Sequence[str] | None = None) -> Redriven:
        """Sends dead letters of an agent again, all or those with these ids, oldest first.

        They count as new; malformed ones, and those whose mailbox is full, stay. Raises SubmissionError for an
        invalid id.
        """
        dead = self._keys.dead_letters(agent_name("agent", agent))
        sent = 0
        reasons: list[str] = []
        with reaching_redis():
            if ids is None:
                entries: Iterator[tuple[bytes, Mapping[bytes, bytes]]] = self._entries(
                    dead, self._last_id(dead, self._now_ms(), 0)
                )
            else:
                entries = self._chosen(dead, [_checked(one) for one in ids], reasons)
            for entry_id, fields in entries:
                problem = self._send_again(agent, dead, entry_id, fields)
                if problem is None:
                    sent += 1
                else:
                    reasons.append(problem)
        return Redriven(sent, reasons)

    def purge(self, agent: str, *, dead: bool, older_than_seconds: float = 0.0) -> int:
        """Deletes messages of a mailbox, or its dead letters, of at least this age; returns how many."""
        stream = self._keys.dead_letters(agent) if dead else self._keys.messages(agent)
        removed = 0
        with reaching_redis():
            last = self._last_id(stream, self._now_ms(), older_than_seconds)
            while count := int(self._mending(lambda: self._remove(keys=[stream], args=[GROUP, last, PAGE_LETTERS]))):
                removed += count
        return removed

    # ours

    def _send_again(self, agent: str, dead: str, entry_id: bytes, fields: Mapping[bytes, bytes]) -> str | None:
        """Returns why a letter can't be sent again; None if it was.

        If the answer is lost, it may be there twice.
        """
        shown = entry_id.decode()
        try:
            parsed(fields)
        except (KeyError, ValueError, SubmissionError):
            return msg("dead letter {id} of agent {agent} is malformed", id=shown, agent=agent)
        keys = [self._keys.messages(agent), self._keys.mailboxes]
        limits = [MAX_LENGTH, MAX_BOX_BYTES, MAX_MAILBOXES]
        arguments = [*limits, agent, fields[b"from"], fields[b"body"]]
        put = self._mending(lambda: self._put(keys=keys, args=arguments)).decode()
        if put in FULL:
            reason = full_text(put, agent, MAX_LENGTH, MAX_BOX_BYTES)
            return msg("dead letter {id} of agent {agent}: {reason}", id=shown, agent=agent, reason=reason)
        self._redis.xdel(dead, entry_id)
        return None

    def _chosen(
        self, stream: str, ids: Sequence[str], reasons: list[str]
    ) -> Iterator[tuple[bytes, Mapping[bytes, bytes]]]:
        for one in ids:
            found = self._redis.xrange(stream, one, one)
            if found:
                yield found[0]
            else:
                reasons.append(msg("dead letter {id} does not exist", id=one))

    def _entries(
        self, stream: str, last: str, *, newest_first: bool = False
    ) -> Iterator[tuple[bytes, Mapping[bytes, bytes]]]:
        """Yields the entries up to an id, read in pages."""
        low, high = "-", last
        while True:
            page = self._mending(partial(self._page, stream, low, high, newest_first=newest_first))
            yield from page
            if len(page) < PAGE_LETTERS:
                return
            if newest_first:
                high = _id_before(page[-1][0])
            else:
                low = next_id(page[-1][0])

    def _page(self, stream: str, low: str, high: str, *, newest_first: bool) -> list[Any]:
        if newest_first:
            return list(self._redis.xrevrange(stream, high, low, count=PAGE_LETTERS))
        return list(self._redis.xrange(stream, low, high, count=PAGE_LETTERS))

    def _last_id(self, stream: str, now_ms: int, older_than_seconds: float) -> str:
        """Returns the greatest id to include, so that later entries are left out."""
        if older_than_seconds > 0:
            return f"{max(0, now_ms - int(older_than_seconds * 1000))}-{(1 << 64) - 1}"
        last = self._mending(lambda: self._redis.xrevrange(stream, count=1))
        return last[0][0].decode() if last else "0-0"

    def _now_ms(self) -> int:
        seconds, microseconds = self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def _dead(self, name: bytes) -> bytes:
        return self._named(self._keys.dead_letters, name)

    def _named(self, key: Callable[[str], str], name: bytes) -> bytes:
        return key("").encode() + name  # a name may be any bytes, if it was written by another program


def _box(row: Sequence[Any], now_ms: int) -> MailboxSummary:
    name, count, read, first, size, buried = row
    oldest = max(0.0, (now_ms - int(first.partition(b"-")[0])) / 1000) if first else None
    return MailboxSummary(name.decode(errors="backslashreplace"), int(count), int(read), oldest, int(size), int(buried))


def _letter(agent: str, entry_id: bytes, fields: Mapping[bytes, bytes], now_ms: int, *, dead: bool) -> Letter:
    texts = {name: fields.get(name, b"")[:SHOWN_BODY_BYTES].decode(errors="replace") for name in _FIELDS}
    return Letter(
        id=entry_id.decode(),
        agent=agent,
        sender=texts[b"from"],
        age_seconds=max(0.0, (now_ms - int(entry_id.partition(b"-")[0])) / 1000),
        body=texts[b"body"],
        deliveries=int(texts[b"deliveries"]) if texts[b"deliveries"].isdecimal() else None,
        reason=texts[b"reason"] if dead else None,
        message_id=texts[b"id"] if dead else entry_id.decode(),
    )


_FIELDS = (b"from", b"body", b"deliveries", b"reason", b"id")


def _id_before(entry_id: bytes) -> str:
    milliseconds, sequence = map(int, entry_id.split(b"-"))
    return f"{milliseconds}-{sequence - 1}" if sequence else f"{milliseconds - 1}-{(1 << 64) - 1}"


def _checked(entry_id: str) -> str:
    if not is_entry_id(entry_id):
        raise refused("id", entry_id, msg("the id of a dead letter, such as 1690000000000-0"))
    return entry_id
