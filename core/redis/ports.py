"""Narrows the broker to what a submitter, an agent and the leader may do.

`Broker` implements all of it; a holder of one port can't do another's work by mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from taskyard.core.models import Lane, Waiting

if TYPE_CHECKING:
    from taskyard.core.redis.agent_users import AgentUsers
    from taskyard.core.redis.broker import Publication
    from taskyard.core.redis.endings import Endings
    from taskyard.core.redis.message import Message
    from taskyard.core.redis.namespace import Member
    from taskyard.core.redis.predictions import Predictions
    from taskyard.core.redis.quarantine import Odd, Quarantine
    from taskyard.core.redis.roster import Roster, Turn
    from taskyard.core.redis.wakes import Wake
    from taskyard.core.waiting_alike import WaitingAlike


class QueuePort(Protocol):
    """The writes after a commit of tasks; the leader's sweep repairs what did not arrive."""

    def push(self, waiting: Sequence[Waiting]) -> None: ...

    def push_soon(self, waiting: Sequence[Waiting], repeat: Callable[[Sequence[Waiting]], object]) -> None: ...

    def push_alike_soon(self, alike: Iterable[WaitingAlike], repeat: Callable[[Sequence[Waiting]], object]) -> None: ...

    def forget(self, waiting: Iterable[Waiting]) -> None: ...

    def send_cancel(self, agent_id: str, task_id: str, attempt: int) -> None: ...


class SubmitterPort(QueuePort, Protocol):
    """The writes of submitters and operators, and the predictions that they store with tasks."""

    @property
    def predictions(self) -> Predictions: ...

    @property
    def endings(self) -> Endings: ...

    def send_restart(self, agent_id: str) -> None: ...


class AgentMailbox(Protocol):
    """The mailbox of an agent, as its attempts use it; see core.redis.mailbox. Every method raises Unavailable."""

    def send(self, sender: str, to: str, body: Any) -> str: ...

    def is_empty(self) -> bool: ...

    def receive(
        self, block_seconds: float = 0.0, count: int = 10, held: Collection[str] = frozenset()
    ) -> list[Message]: ...

    def ack_all(self, message_ids: Collection[str]) -> int: ...

    def give_back(self, messages: Mapping[str, int]) -> None: ...


class PendingReport(Protocol):
    """Reports that were sent, and are stored once the answer is here."""

    def answer(self) -> object: ...

    def abandon(self) -> None: ...


class AgentPort(Protocol):
    """The reads and reports of an agent."""

    def report(self, reports: bytes) -> bytes: ...

    def begin_report(self, reports: bytes) -> PendingReport | None:
        """Sends reports without waiting; None if that is not possible here, and nothing was sent."""

    def heartbeat(self, agent_id: str, heartbeat: bytes, ttl_seconds: float) -> tuple[str, bool]: ...

    def read_inbox(self, agent_id: str, after: bytes, block_ms: int | None) -> list[tuple[bytes, bytes]]: ...

    def inbox_tail(self, agent_id: str) -> bytes: ...

    def delete_orders(self, agent_id: str, entry_ids: Sequence[bytes]) -> None: ...

    def mailbox(self, agent: str) -> AgentMailbox: ...

    def set_aside(self, odd: Iterable[Odd]) -> None: ...


class LeaderPort(QueuePort, Protocol):
    """The reads, publications and repairs of the dispatcher."""

    quarantine: Quarantine

    @property
    def agent_users(self) -> AgentUsers: ...

    def lead(self, epoch: int, database: str = "", reporters: Iterable[str] = ()) -> tuple[bool, str, bool]: ...

    def epoch(self) -> int | None: ...

    def run_id(self) -> str: ...

    def ping(self) -> None: ...

    def collect(
        self,
        results_after: bytes,
        wake_after: bytes,
        block_ms: int | None,
        count: int,
        own_after: Mapping[str, bytes] = ...,
    ) -> tuple[list[tuple[bytes, bytes]], list[Wake]]: ...

    def peek(
        self, now: float, wanted: Mapping[Lane, int]
    ) -> tuple[list[Lane], float | None, dict[Lane, list[Any]]]: ...

    def publish(self, epoch: int, publication: Publication) -> None: ...

    def roster(
        self, canary_ttl_seconds: float, *, revive_canary: bool, reporters: Collection[str] = (), turn: Turn = ...
    ) -> Roster: ...

    def is_at_its_place(self, member: Member, task: Waiting) -> tuple[bool, bool]: ...

    def sorted_sets(self, cursor: int) -> tuple[int, list[str]]: ...

    def members(self, place: str, cursor: bytes, count: int) -> tuple[bytes, list[Member]]: ...

    def drop(self, members: Iterable[Member]) -> int: ...

    def drop_heartbeat(self, agent_id: str) -> None: ...

    def drop_members(self, lane: Lane, members: Sequence[bytes]) -> None: ...

    def set_aside(self, odd: Iterable[Odd]) -> None: ...

    def take_odd(self) -> list[Odd]: ...
