"""Defines what looked lost at one reading of the roster."""

from __future__ import annotations

from dataclasses import dataclass, field

from taskyard.core.protocol import Pair


@dataclass(slots=True)
class Suspects:
    """Claims that looked lost at one reading of the roster; judged once results are read up to `tail`."""

    tail: tuple[int, int]
    own_tails: dict[str, tuple[int, int]]  # of agents with results of their own
    unheld: list[Pair] = field(default_factory=list)
    lost_agents: list[str] = field(default_factory=list)
    unheard: set[str] = field(default_factory=set)  # whose heartbeats were not renewed for long


def position(entry_id: bytes) -> tuple[int, int]:
    """Returns a stream id such as b"1690000000000-3" as numbers that compare."""
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence or 0)
