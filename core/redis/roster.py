"""Defines what the leader reads of all agents every second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from taskyard.core.models import Lane

NO_OWN: Mapping[str, bytes] = {}


class Turn(NamedTuple):
    """Which heartbeats a reading of the roster is to read: those of the part with this `number`, of `readings`."""

    readings: int
    number: int


EVERYBODY = Turn(1, 0)


@dataclass(frozen=True, slots=True)
class Roster:
    """The state of the agents that the leader reads every second, at one instant.

    `agents` maps the id of each agent whose heartbeat was read to (heartbeat JSON, the last id its inbox ever had);
    `others` are the ids of those who have one that was not read. `results_tail` is the id of the newest result,
    `own_tails` those of agents with results of their own, by name.
    """

    generation: str | None
    epoch: int | None
    canary_lives: bool
    results_tail: bytes
    lanes: list[Lane]
    agents: dict[str, tuple[bytes, bytes]]
    own_tails: Mapping[str, bytes] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
