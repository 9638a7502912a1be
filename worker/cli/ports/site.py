"""Says what the commands on the whole installation need of it, wherever it is; see `port` for those on tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from taskyard.core.models import AgentRecord, Lane
from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode


@dataclass(frozen=True, slots=True)
class ShownLane:
    """The tasks of a lane that wait for an agent, and why none takes them."""

    lane: Lane
    count: int
    oldest: datetime
    why: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """The installation at a glance; epoch 0: no worker has led it yet."""

    states: dict[str, int]
    lanes: list[ShownLane]
    agents: list[AgentRecord]
    holds: list[Hold]
    epoch: int
    leader: str
    since: datetime
    is_led: bool


@dataclass(frozen=True, slots=True)
class AgentResults:
    """The attempts of an agent of one type in the last day."""

    agent: str
    type: str
    completed: int
    failed: int
    mean_seconds: float | None
    success_rate: float


@dataclass(frozen=True, slots=True)
class AgentsSeen:
    """Boots of agents, their results, and their open circuit breakers by name; `problem`: why these are unknown."""

    boots: list[AgentRecord]
    results: list[AgentResults]
    breakers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """An alert as JSON has it, and what it is called and says for users."""

    record: dict[str, Any]
    title: str
    message: str


@dataclass(frozen=True, slots=True)
class ShownSilence:
    """A silence as JSON has it, and what its rule is called."""

    record: dict[str, Any]
    title: str


@dataclass(frozen=True, slots=True)
class MadeReport:
    """A report as a file. `is_empty`: nothing happened in its time."""

    name: str
    content: bytes
    is_empty: bool


class SitePort(Protocol):
    """The operations on an installation. All may raise Unavailable and NotPermitted."""

    def status(self) -> Status:
        """Returns the installation at a glance."""

    def agents(self, *, every: bool) -> AgentsSeen:
        """Returns the registered boots, with `every` also those that left or were lost."""

    def holds(self) -> list[Hold]:
        """Returns what is paused or draining."""

    def check_type(self, name: str) -> None:
        """Raises UnknownTaskType for a type that nobody knows."""

    def is_queue_known(self, name: str) -> bool:
        """Returns True if a current or recent task is in a queue of this name; raises SubmissionError."""

    def hold(self, kind: HoldKind, name: str, mode: HoldMode, reason: str) -> bool:
        """Holds a subject; returns False if it was held like this already. Raises SubmissionError."""

    def release(self, kind: HoldKind, name: str, reason: str) -> bool:
        """Ends a hold; returns False if there was none."""

    def restart(self, name: str, reason: str) -> list[str]:
        """Asks the boots of an agent to restart and returns their ids; raises SubmissionError."""

    def pools(self) -> list[dict[str, Any]]:
        """Returns the pools of agents by kind, as JSON has them."""

    def scale_pool(self, kind: str, count: int, reason: str) -> bool:
        """Says how many agents of a kind run; returns False if that is so already. Raises SubmissionError."""

    def reset_pool(self, kind: str, reason: str) -> bool:
        """Lets the pool file say how many agents of a kind run; returns False if it does already."""

    def alerts(self, *, every: bool, limit: int) -> list[ShownAlert]:
        """Returns the newest unresolved alerts, with `every` also resolved ones."""

    def acknowledge(self, alert_id: str, reason: str) -> tuple[str, str, bool]:
        """Returns an alert's id, its state before, and whether it was acknowledged now; raises SubmissionError."""

    def acknowledge_rule(self, rule: str, reason: str) -> int:
        """Acknowledges every firing alert of a rule; returns how many. Raises SubmissionError."""

    def silence(
        self, rule: str, subject: str, seconds: float | None, reason: str, *, confirm: str = ""
    ) -> ShownSilence:
        """Silences alerts, for an hour if `seconds` is None; raises SubmissionError, see core.views.new_silence."""

    def end_silence(self, silence_id: str) -> bool:
        """Ends a silence; returns False if it was not in force. Raises SubmissionError."""

    def silences(self) -> list[ShownSilence]:
        """Returns the silences in force."""

    def types(self) -> list[dict[str, Any]]:
        """Returns the task types by name, as JSON has them."""

    def type_schemas(self, name: str) -> dict[str, Any]:
        """Returns a task type with the schemas of its input and output; raises UnknownTaskType."""

    def report(self, since: str, until: str, format: str, queue: str | None, type: str | None, zone: str) -> MadeReport:
        """Makes a report; raises SubmissionError."""

    def quarantined(self, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Returns the newest items in quarantine as JSON has them, and how many there are."""

    def quarantined_item(self, item_id: str) -> dict[str, Any]:
        """Returns one item; raises ItemNotFound and SubmissionError."""

    def drop_quarantined(self, item_ids: Sequence[str] | None) -> int:
        """Deletes items, all without ids; returns how many existed. Raises SubmissionError."""
