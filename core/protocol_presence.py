"""Defines what agents say of themselves: who they are, and that they live (see core.protocol)."""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from taskyard.core.protocol_values import (
    MAX_INTEGER,
    MAX_LISTED,
    Count,
    Name,
    Pair,
    Position,
    Seconds,
    Text,
    is_storable,
)

MAX_SEATS_LISTED = 1024  # of a heartbeat: an agent has no more


class AgentInfo(msgspec.Struct, gc=False):
    """An agent's identity; part of its registration and of every heartbeat.

    `version` says what its reports carry (see VERSION). `farewell` is the SHA-256 of a secret that only the boot
    and its supervisor know: the secret proves the right to report this boot's end. Empty: no proof is needed.
    """

    id: Name  # name:boot_id
    name: Name
    boot_id: Name
    kind: Name
    host: Name
    pid: Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
    types: Annotated[list[Name], Meta(max_length=MAX_LISTED)]  # patterns such as "analysis.*"
    tags: Annotated[list[Name], Meta(max_length=MAX_LISTED)]
    max_concurrency: Annotated[int, Meta(ge=1, le=MAX_INTEGER)]
    version: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] = 0
    farewell: Name = ""
    agent_class: Name = ""  # "module:Class" of a user's class; empty: the shipped one
    awaits_hosts: bool = False  # only hosts bring its seats: it can run nothing until a heartbeat tells of some

    def is_storable(self) -> bool:
        """Returns True if PostgreSQL can hold it: it may come from another version, or from another program."""
        texts = (self.id, self.name, self.boot_id, self.kind, self.host, self.agent_class, *self.types, *self.tags)
        is_known_range = 0 <= self.pid <= MAX_INTEGER and 0 < self.max_concurrency <= MAX_INTEGER
        return self.id == f"{self.name}:{self.boot_id}" and all(map(is_storable, texts)) and is_known_range

    def accepts_farewell(self, proof: str) -> bool:
        """Returns True if `proof` entitles the sender to report this boot's end."""
        return not self.farewell or farewell_of(proof) == self.farewell


def farewell_of(secret: str) -> str:
    """Returns the public hash of the secret that an agent got from its supervisor."""
    return hashlib.sha256(secret.encode()).hexdigest()


class SeatHere(msgspec.Struct):
    """A seat of an agent on a node, and the attempt that it runs, if any."""

    id: Name
    node: Name
    task_id: Name = ""
    attempt: Count = 0


class SeatComing(msgspec.Struct):
    """A seat that was asked for `seconds` ago, and why it is not there, in the engine's own words."""

    id: Name
    seconds: Seconds
    why: Text = ""


class SeatsReport(msgspec.Struct):
    """What an agent knows of the seats that its engine brings to nodes."""

    engine: Name
    here: Annotated[list[SeatHere], Meta(max_length=MAX_SEATS_LISTED)]
    coming: Annotated[list[SeatComing], Meta(max_length=MAX_SEATS_LISTED)]
    waiting: Count = 0  # attempts that wait for one
    problem: Text = ""  # why none comes, as far as it is known
    most: Count | None = None  # how many it can have now, if only hosts bring them (None: it has more launched)

    @property
    def has_nobody(self) -> bool:
        """Returns True if nothing can run, as only hosts bring seats and none has come."""
        return self.most == 0

    @property
    def nodes(self) -> list[str]:
        """Returns the names of the nodes that have a seat."""
        return sorted({seat.node for seat in self.here})

    @property
    def reason(self) -> str:
        """Returns why no seat is there yet; empty if nobody says anything."""
        return self.problem or next((seat.why for seat in self.coming if seat.why), "")


def usable_slots(slots: int, seats: SeatsReport | None) -> int:
    """Returns how many attempts an agent can run at once: if only hosts bring its seats, no more than are there."""
    return slots if seats is None or seats.most is None else min(slots, seats.most)


class Heartbeat(msgspec.Struct, gc=False):
    """An agent's state, written every second with a TTL; the dispatcher reconciles its claims against it."""

    agent: AgentInfo
    generation: Name
    read_position: Position  # the last inbox entry that was read
    held: list[Pair]  # from reading an order until the result's arrival is acknowledged
    running: Count
    draining: bool
    cpu_percent: Annotated[float, Meta(ge=0, le=1e9)]
    memory_bytes: Count
    number: Count = 0  # of this heartbeat since the boot's start: tells equal heartbeats apart
    seats: SeatsReport | None = None  # of an agent with an engine
