"""Plans the acts, their variants and durations from a seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from taskyard.worker.devtools.prove.people import faults, modules

LOCK, REDIS, POSTGRES, CLOCK, RESOURCES = "lock", "redis", "postgres", "clock", "resources"
CODE, DEPLOY, JUNK, BYTES, FREEZE, OPERATE = "code", "deploy", "junk", "bytes", "freeze", "operate"
WAYS: dict[str, tuple[str, ...]] = {
    LOCK: ("a row", "a parent", "task_events", "agents", "holds", "tasks"),
    REDIS: (*faults.REDIS, "full", "cut"),
    POSTGRES: (*faults.POSTGRES, "read-only", "terminated", "statement_timeout", "no connection left"),
    CLOCK: ("back an hour", "ahead a day", "ahead three years", "back two minutes"),
    RESOURCES: ("descriptors of an agent", "descriptors of a worker"),
    CODE: tuple(modules.BROKEN),
    DEPLOY: ("half a fleet",),
    JUNK: ("results", "ready", "due", "lanes", "wake", "heartbeat", "inbox", "wrong type"),
    BYTES: ("large outputs", "large inputs", "floods of text"),
    FREEZE: ("an agent", "the leader"),
    OPERATE: (
        "pause schedules",
        "cancel workflows",
        "edit schedules",
        "retry workflows",
        "run schedules",
        "cancel tasks",
        "backfill schedules",
        "retry tasks",
    ),
}
KINDS = tuple(WAYS)
BOTH_WORKERS = ("worker 1", "worker 2")
SOME_WORKER = "one of the workers"
AGENTS = "agents"
# What has to turn health red if it lasts, with who has to say so.
LASTING: dict[tuple[str, str], tuple[str, ...]] = {
    (REDIS, "MISCONF"): (SOME_WORKER, AGENTS),
    (POSTGRES, "53300"): BOTH_WORKERS,
    (LOCK, "tasks"): (SOME_WORKER,),
    (FREEZE, "all agents"): (AGENTS,),
    (REDIS, "LOADING"): (SOME_WORKER, AGENTS),
    (POSTGRES, "read-only"): (SOME_WORKER,),
}
LASTS_SECONDS = 40.0
EVERY = 16  # one in so many lasts
SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 6.0
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.3, 1.5


@dataclass(frozen=True, slots=True)
class Act:
    """One act: its kind, its duration and the pause before it.

    `which` in [0, 1) chooses among several victims; `red` names the processes that must become unhealthy meanwhile.
    """

    kind: str
    way: str
    seconds: float
    pause_seconds: float
    which: float
    red: tuple[str, ...] = ()


def acts(seed: int, *, lasting: bool = True) -> Iterator[Act]:
    """Yields acts without end: every kind once in each round, every variant of it in turn; one in EVERY lasts."""
    random_ = random.Random(seed)
    turns = {kind: random_.randrange(len(ways)) for kind, ways in WAYS.items()}
    outages = list(LASTING.items())
    number = 0
    while True:
        for kind in random_.sample(KINDS, len(KINDS)):
            number += 1
            pause = random_.uniform(SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            if lasting and number % EVERY == 0:
                (kind_of_it, way), red = outages[(number // EVERY - 1) % len(outages)]
                yield Act(kind_of_it, way, LASTS_SECONDS, pause, random_.random(), red)
            else:
                way = WAYS[kind][turns[kind] % len(WAYS[kind])]
                turns[kind] += 1
                seconds = random_.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)
                yield Act(kind, way, seconds, pause, random_.random())
