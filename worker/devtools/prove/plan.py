"""Plans what is killed, how and when, from a seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from taskyard.worker.failpoints import PLACES

AGENT, HANDLER, WORKER, REDIS, POSTGRES, API = "agent", "handler", "worker", "redis", "postgres", "api"
SEAT, NODE = "seat", "node"
WAYS = {
    AGENT: ("SIGKILL",),
    HANDLER: ("SIGKILL",),
    WORKER: ("SIGKILL", *PLACES),
    REDIS: ("SIGKILL", "FLUSHALL"),
    POSTGRES: ("fast", "immediate"),
    API: ("SIGKILL",),
}
KINDS = tuple(WAYS)
ENGINE_WAYS = {SEAT: ("SIGKILL", "the engine's process"), NODE: ("SIGKILL",)}  # where agents have an engine
WAYS_OF_ALL = {**WAYS, **ENGINE_WAYS}
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.3, 1.5


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill: its target and method, the wait before, and a draw in [0, 1) that chooses among several."""

    kind: str
    way: str
    pause_seconds: float
    which: float


def kills(seed: int, kinds: Sequence[str] = KINDS) -> Iterator[Kill]:
    """Yields kills without end, each of `kinds` once in each round, in an order that the seed decides."""
    random_ = random.Random(seed)
    turns = dict.fromkeys(kinds, 0)
    while True:
        for kind in random_.sample(kinds, len(kinds)):
            ways = WAYS_OF_ALL[kind]
            way = ways[turns[kind] % len(ways)]
            turns[kind] += 1
            yield Kill(kind, way, random_.uniform(MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS), random_.random())


def tasks(seed: int) -> Iterator[dict[str, Any]]:
    """Yields submissions without end: short and longer, in processes and threads, some delayed, retried or hopeless."""
    random_ = random.Random(seed ^ 0x7A5C)
    while True:
        work: dict[str, Any] = {"seconds": round(random_.choice((0.0, 0.0, 0.01, 0.1, 1.0)) * random_.random(), 3)}
        kind = random_.random()
        if kind < 0.1:
            work["failures"] = random_.randint(1, 2)
        elif kind < 0.15:
            work["hopeless"] = True
        elif kind < 0.27:
            work["suspends"] = random_.choice(("time", "children", "signal"))
        task: dict[str, Any] = {
            "type": random_.choice(("prove.process", "prove.thread")),
            "input": work,
            "priority": random_.choice(("low", "medium", "medium", "high", "urgent")),
        }
        if random_.random() < 0.1:
            task["delay_seconds"] = round(random_.uniform(0.1, 2.0), 2)
        yield task
