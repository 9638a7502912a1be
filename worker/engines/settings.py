"""Defines the settings of an engine agent: `[agents.engine]` of a pool file, as agents get them."""

from __future__ import annotations

from typing import Any

import msgspec

LEASE_SHARE = 0.4  # of the agent's TTL: a seat that did not hear of its agent for so long ends what it runs …
LOST_SHARE = 0.7  # … and an agent calls a seat lost only after this share of it
BEATS = 4  # of a seat within its lease


class EngineSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """An engine, what its seats need, and how long they stay; see docs/how-to/run-on-an-engine.md."""

    name: str
    address: str = ""
    cpus: float = 1.0  # of each seat, as are …
    gpus: float = 0.0
    memory_mib: int = 0  # … these, of engines that can be asked for them; 0: whatever there is
    idle_seconds: float = 30.0  # then a seat goes
    runs_per_seat: int = 0  # then a seat goes; 0: any number
    wait_seconds: float = 600.0  # for a seat; then a claim goes back, at no cost
    listen: str = "127.0.0.1:0"  # where seats connect to; port 0: any that is free
    advertise: str = ""  # host, or host:port, by which nodes reach it; empty: as `listen`
    certificate: str = ""  # file of the desk's certificate; empty: no TLS
    private_key: str = ""
    options: dict[str, Any] = {}


class Leases(msgspec.Struct, frozen=True):
    """The times by which agent and seat know of each other, all in seconds."""

    beat_seconds: float
    lease_seconds: float  # after which a seat without word from its agent is ended
    lost_seconds: float  # after which an agent gives up a seat that it does not hear

    @classmethod
    def within(cls, ttl_seconds: float) -> Leases:
        """Returns the times for an agent's TTL."""
        lease_seconds = LEASE_SHARE * ttl_seconds
        return cls(lease_seconds / BEATS, lease_seconds, LOST_SHARE * ttl_seconds)
