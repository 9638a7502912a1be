"""Lists what changes while tasks come and go: agents that arrive and leave, pauses that begin and end (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from taskyard.core.simulation.workload import Workload


class Change(NamedTuple):
    """At a time, one more (`by` 1) or fewer (-1) pauses hold a queue, type or agent, or an agent is there or not.

    `name` is that of the queue or type, `agent` the place of the agent, else -1. `kind` is "present" for an agent that
    comes or goes.
    """

    at: float
    by: int
    kind: str
    name: str
    agent: int


def changes_of(workload: Workload) -> list[Change]:
    """Returns all changes in order of time; those of one moment end something before they begin something."""
    return sorted(_changes(workload), key=lambda change: (change.at, change.by))


def _changes(workload: Workload) -> Iterator[Change]:
    by_name: dict[str, list[int]] = {}
    for place, agent in enumerate(workload.agents):
        by_name.setdefault(agent.name, []).append(place)
        for since, until in agent.present:
            yield Change(since, 1, "present", "", place)
            if until < math.inf:
                yield Change(until, -1, "present", "", place)
    for pause in workload.pauses:
        for place in by_name.get(pause.name, ()) if pause.kind == "agent" else (-1,):
            yield Change(pause.since, 1, pause.kind, pause.name, place)
            if pause.until < math.inf:
                yield Change(pause.until, -1, pause.kind, pause.name, place)
