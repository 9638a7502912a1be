"""Lays out agents' attempts as spans on rows of a chart (pure)."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from taskyard.core.telemetry.live_snapshot import AgentLive

RUNNING = "running"


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """An ended attempt; `agent` is its agent's name, `outcome` the event: completed, failed or attempt_failed.

    `start` and `end` are epoch seconds; `host` is empty if it is not known.
    """

    agent: str
    task_id: str
    attempt: int
    type: str
    start: float
    end: float
    outcome: str
    host: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """An attempt on a row of its agent, counted from 0; `outcome` is RUNNING for a running one.

    `host` is empty unless agents on several hosts use the name now: each of them has its own rows.
    """

    agent: str
    row: int
    task_id: str
    attempt: int
    type: str
    start: float
    end: float
    outcome: str
    host: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """The attempts of an agent that ended in the step from `start` (epoch seconds) on; `failed` with those retried."""

    agent: str
    start: float
    completed: int
    failed: int
    run_seconds: float


def shared_names(agents: Iterable[AgentLive]) -> dict[str, list[str]]:
    """Returns the hosts of each name that agents on several hosts use at once."""
    hosts: dict[str, list[str]] = {}
    for agent in agents:
        known = hosts.setdefault(agent.name, [])
        if agent.host not in known:
            known.append(agent.host)
    return {name: sorted(known) for name, known in hosts.items() if len(known) > 1}


def spans(ended: Iterable[AttemptEnd], agents: Sequence[AgentLive], now: float) -> list[Span]:
    """Returns ended attempts, and running ones up to `now` (epoch seconds) from the live snapshot, by agent and
    start.

    Overlapping attempts of one agent are put on different rows, each on the first free one (interval partitioning:
    Kleinberg, Tardos, "Algorithm Design", 2005, 4.1), so there are as many rows as ran at once. An attempt in both
    inputs has ended.
    """
    shared = shared_names(agents)
    found = [end if end.agent in shared else replace(end, host="") for end in ended]
    known = {(end.task_id, end.attempt) for end in found}
    found += [
        AttemptEnd(
            agent.name,
            task.task_id,
            task.attempt,
            task.type,
            task.started_at,
            max(now, task.started_at),
            RUNNING,
            agent.host if agent.name in shared else "",
        )
        for agent in agents
        for task in agent.tasks
        if (task.task_id, task.attempt) not in known
    ]
    found.sort(key=lambda end: (end.agent, end.host, end.start, end.end, end.task_id, end.attempt))
    placed: list[Span] = []
    whose: tuple[str, str] | None = None
    for end in found:
        if (end.agent, end.host) != whose:
            whose, busy, free, rows = (end.agent, end.host), [], [], 0  # type: ignore[var-annotated]
        while busy and busy[0][0] <= end.start:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            row = heapq.heappop(free)
        else:
            row, rows = rows, rows + 1
        heapq.heappush(busy, (end.end, row))
        placed.append(
            Span(end.agent, row, end.task_id, end.attempt, end.type, end.start, end.end, end.outcome, end.host)
        )
    return placed
