"""Defines holds: queues, task types and agents that operators pause or drain (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from taskyard.core.i18n import N_, Moment, TranslatableText, msg
from taskyard.core.models import Lane


class HoldKind(StrEnum):
    """The kinds of subjects that can be held; an agent is held by its name, whatever its boot."""

    QUEUE = "queue"
    TYPE = "type"
    AGENT = "agent"


class HoldMode(StrEnum):
    """Paused: tasks are accepted but not started. Draining: new tasks are refused and existing ones finish.

    An agent gets nothing new in either mode; a draining one also hands back what it has not started.
    """

    PAUSED = "paused"
    DRAINING = "draining"


_NAMED = {
    HoldKind.QUEUE: N_("queue {name}"),
    HoldKind.TYPE: N_("type {name}"),
    HoldKind.AGENT: N_("agent {name}"),
}


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold, with who set it, why and when."""

    kind: HoldKind
    name: str
    mode: HoldMode
    actor: str
    reason: str
    since: datetime

    def __str__(self) -> str:
        return str(self.text)

    @property
    def text(self) -> TranslatableText:
        """Returns the hold in one line."""
        text = msg(
            "{held} is {mode} by {actor} since {since}",
            held=msg(_NAMED[self.kind], name=self.name),
            mode=self.mode,
            actor=self.actor,
            since=Moment(self.since, f"{self.since:%Y-%m-%d %H:%M:%S %Z}"),
        )
        return msg("{text}: {reason}", text=text, reason=self.reason) if self.reason else text

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "name": self.name,
            "mode": self.mode.value,
            "actor": self.actor,
            "reason": self.reason,
            "since": self.since.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Holds:
    """Holds all holds that are in force."""

    by_name: Mapping[tuple[HoldKind, str], Hold] = field(default_factory=dict)
    _has_lanes: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_has_lanes", any(kind is not HoldKind.AGENT for kind, _ in self.by_name))

    @classmethod
    def of(cls, holds: Iterable[Hold]) -> Holds:
        return cls({(hold.kind, hold.name): hold for hold in holds})

    def of_lane(self, lane: Lane) -> Hold | None:
        """Returns the holds that keep the tasks of a lane from starting."""
        if not self._has_lanes:  # asked for every lane of a tick
            return None
        for key in ((HoldKind.QUEUE, lane.queue), (HoldKind.TYPE, lane.type)):
            hold = self.by_name.get(key)
            if hold is not None and hold.mode is HoldMode.PAUSED:
                return hold
        return None

    def of_agent(self, name: str) -> Hold | None:
        """Returns the hold that keeps an agent from getting work."""
        return self.by_name.get((HoldKind.AGENT, name))

    def against(self, queue: str, task_type: str) -> Hold | None:
        """Returns the hold that keeps new tasks of a queue and type from being accepted."""
        for key in ((HoldKind.QUEUE, queue), (HoldKind.TYPE, task_type)):
            hold = self.by_name.get(key)
            if hold is not None and hold.mode is HoldMode.DRAINING:
                return hold
        return None
