"""Gives an agent over HTTPS what Redis gives to others (core.redis.ports.AgentPort)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
import structlog

from taskyard.core.errors import ErrorClass, SubmissionError
from taskyard.core.payload.encode import encode_json
from taskyard.core.protocol import NULL, Done, Failure, Report, Suspended, decode_reports, encode
from taskyard.core.redis.message import MAX_BODY_BYTES, Message
from taskyard.core.redis.quarantine import Odd
from taskyard.worker.remote.api_link import ApiLink

WAIT_SECONDS = 5.0  # for orders: well below the time after which a silent agent counts as one that does not read
DELETED_AT_ONCE = 1_000

log = structlog.get_logger(__name__)


class _Heard(msgspec.Struct):
    generation: str
    is_fenced: bool


class _Entry(msgspec.Struct):
    id: str
    orders: msgspec.Raw


class _Orders(msgspec.Struct):
    entries: list[_Entry]


class _Tail(msgspec.Struct):
    position: str


class _Count(msgspec.Struct):
    count: int


class _Sent(msgspec.Struct):
    id: str


class _Received(msgspec.Struct):
    messages: list[_ReceivedMessage]


class _ReceivedMessage(msgspec.Struct):
    id: str
    sender: str
    body: Any
    deliveries: int


_heard = msgspec.json.Decoder(_Heard).decode
_orders = msgspec.json.Decoder(_Orders).decode
_tail = msgspec.json.Decoder(_Tail).decode
_count = msgspec.json.Decoder(_Count).decode
_sent = msgspec.json.Decoder(_Sent).decode
_received = msgspec.json.Decoder(_Received).decode


class HttpAgentPort:
    """An agent's reads and reports over one link."""

    def __init__(self, link: ApiLink, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self.link = link
        self._wait_seconds = wait_seconds

    def report(self, reports: bytes) -> bytes:
        """Sends reports; they are stored when this returns. One that the API refuses ends its own attempt only."""
        try:
            self.link.call("POST", "/reports", read=_count, body=reports)
        except SubmissionError as error:
            self._report_each(decode_reports(reports), error)
        return b""

    def begin_report(self, reports: bytes) -> None:
        """Sends nothing: a link carries one request at a time."""

    def heartbeat(self, agent_id: str, heartbeat: bytes, ttl_seconds: float) -> tuple[str, bool]:
        """Sends a heartbeat, whose lifetime the API decides; returns the generation and whether this boot is fenced."""
        answer: _Heard = self.link.call("PUT", f"{_path(agent_id)}/heartbeat", read=_heard, body=heartbeat)
        return answer.generation, answer.is_fenced

    def read_inbox(self, agent_id: str, after: bytes, block_ms: int | None) -> list[tuple[bytes, bytes]]:
        """Returns (entry id, encoded orders) after a position; waits for the first unless `block_ms` is None."""
        wait_seconds = 0.0 if block_ms is None else max(self._wait_seconds, block_ms / 1000)
        query = {"after": after.decode(), "wait": f"{wait_seconds:g}"}
        path = f"{_path(agent_id)}/orders"
        answer: _Orders = self.link.call("GET", path, read=_orders, query=query, wait_seconds=wait_seconds)
        return [(entry.id.encode(), bytes(entry.orders)) for entry in answer.entries]

    def inbox_tail(self, agent_id: str) -> bytes:
        """Returns the last id that an inbox ever had; b"0-0" if it does not exist."""
        answer: _Tail = self.link.call("GET", f"{_path(agent_id)}/orders/tail", read=_tail)
        return answer.position.encode()

    def delete_orders(self, agent_id: str, entry_ids: Sequence[bytes]) -> None:
        """Deletes inbox entries that were read."""
        for start in range(0, len(entry_ids), DELETED_AT_ONCE):
            ids = [entry.decode() for entry in entry_ids[start : start + DELETED_AT_ONCE]]
            body = encode({"entries": ids})
            self.link.call("POST", f"{_path(agent_id)}/orders/delete", read=_count, body=body)

    def mailbox(self, agent: str) -> HttpMailbox:
        """Returns the mailbox of this agent, whatever name is given: the token says whose it is."""
        return HttpMailbox(self.link)

    def set_aside(self, odd: Iterable[Odd]) -> None:
        """Logs orders that this release can't read; the API has quarantined those that nobody can."""
        for one in odd:
            log.error("order.unknown", place=one.place, reason=one.reason)

    def _report_each(self, reports: Sequence[Report], error: SubmissionError) -> None:
        """Sends reports one by one, since one of them is refused."""
        for report in reports if len(reports) > 1 else ():
            try:
                self.link.call("POST", "/reports", read=_count, body=encode([report]))
            except SubmissionError as own:
                self._give_up(report, own)
        if len(reports) == 1:
            self._give_up(reports[0], error)

    def _give_up(self, report: Report, error: SubmissionError) -> None:
        """Reports a refused end as a failure of its attempt; anything else is logged and left out."""
        log.error("report.refused", kind=report.__struct_config__.tag, reason=str(error))
        if not isinstance(report, Done | Suspended):
            return
        failure = Failure(ErrorClass.UNSTORABLE, f"the API refused the result: {error}")
        ids, times = (report.task_id, report.attempt), (report.started_at, report.run_seconds)
        usage = (report.cpu_seconds, report.peak_memory_bytes)
        report = Done(*ids, NULL, failure, *times, *usage, report.agent_id)
        try:
            self.link.call("POST", "/reports", read=_count, body=encode([report]))
        except SubmissionError as own:
            log.error("report.refused", kind="done", reason=str(own))


class HttpMailbox:
    """The mailbox of the agent whose token a link has (core.redis.ports.AgentMailbox)."""

    def __init__(self, link: ApiLink) -> None:
        self._link = link

    def send(self, sender: str, to: str, body: Any) -> str:
        """Sends a message and returns its id; raises SubmissionError. After a lost answer it may have been sent."""
        text = encode_json("body", body, MAX_BODY_BYTES)
        given = encode({"to": to, "body": msgspec.Raw(text.encode() if isinstance(text, str) else text)})
        answer: _Sent = self._link.call("POST", "/messages", read=_sent, body=given, may_repeat=False)
        return answer.id

    def is_empty(self) -> bool:
        """Returns False: `receive` looks for itself, in the same round trip."""
        return False

    def receive(
        self, block_seconds: float = 0.0, count: int = 10, held: Collection[str] = frozenset()
    ) -> list[Message]:
        """Returns up to `count` messages that are there; does not wait."""
        given = encode({"count": count, "held": sorted(held)})
        answer: _Received = self._link.call("POST", "/messages/receive", read=_received, body=given, may_repeat=False)
        return [Message(one.id, one.sender, one.body, one.deliveries) for one in answer.messages]

    def ack_all(self, message_ids: Collection[str]) -> int:
        """Deletes messages by id; returns how many existed."""
        answer: _Count = self._link.call("POST", "/messages/ack", read=_count, body=encode({"ids": list(message_ids)}))
        return answer.count

    def give_back(self, messages: Mapping[str, int]) -> None:
        """Redelivers messages (deliveries by id) at once."""
        self._link.call("POST", "/messages/give-back", read=_count, body=encode({"messages": dict(messages)}))


def _path(agent_id: str) -> str:
    return f"/boots/{quote(agent_id.partition(':')[2], safe='')}"
