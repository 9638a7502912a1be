"""Reads the counts that the monitor refreshes every few seconds; see sql/queries/live_counts.sql."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from taskyard.core.models import Lane
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import rollups
from taskyard.core.postgres.store.history import spans
from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.states import Priority
from taskyard.core.telemetry.live_snapshot import LaneDepth, OpenCount


class OpenGroup(NamedTuple):
    """The unfinished tasks of one lane, state and priority, that could start now, or not; times in epoch seconds."""

    lane: Lane
    state: str
    priority: int
    is_ready: bool  # pending, or scheduled or suspended until a time that has come
    count: int  # type: ignore[assignment]  # in place of the method that every tuple has
    oldest_ready_at: float
    predicted_seconds: float | None = None  # the means of those that have a prediction, together
    predicted: int = 0  # how many have one


class ServerFigures(NamedTuple):
    """PostgreSQL's figures; counters run since its statistics were last reset."""

    version: str
    connections: int
    max_connections: int
    commits: int
    rollbacks: int
    blocks_hit: int
    blocks_read: int
    deadlocks: int
    temp_bytes: int
    read_only: bool


def open_groups(tx: Transaction) -> list[OpenGroup]:
    """Returns the counts of all unfinished tasks."""
    return [
        OpenGroup(Lane(queue, type_, tuple(requires)), *rest)
        for queue, type_, requires, *rest in tx.rows(queries("live_counts")["open_counts"], {})
    ]


def open_counts(groups: Iterable[OpenGroup]) -> list[OpenCount]:
    """Returns these counts by queue, type and state (pure)."""
    counts: dict[tuple[str, str, str], int] = {}
    for group in groups:
        key = (group.lane.queue, group.lane.type, group.state)
        counts[key] = counts.get(key, 0) + group.count
    return [OpenCount(*key, count) for key, count in sorted(counts.items())]


def lane_depths(groups: Iterable[OpenGroup]) -> list[LaneDepth]:
    """Returns the ready tasks by lane, deepest lane first (pure)."""
    lanes: dict[object, LaneDepth] = {}
    for group in groups:
        if not group.is_ready:
            continue
        lane = group.lane
        depth = lanes.get(lane)
        if depth is None:
            depth = lanes[lane] = LaneDepth(lane.queue, lane.type, list(lane.requires), 0, None, {})
        depth.ready += group.count
        label = Priority(group.priority).label
        depth.by_priority[label] = depth.by_priority.get(label, 0) + group.count
        oldest = depth.oldest_ready_at
        if group.predicted:  # the others are like them
            work = (group.predicted_seconds or 0.0) * group.count / group.predicted
            depth.work_seconds = (depth.work_seconds or 0.0) + work
        depth.oldest_ready_at = group.oldest_ready_at if oldest is None else min(oldest, group.oldest_ready_at)
    return sorted(lanes.values(), key=lambda depth: (-depth.ready, depth.queue, depth.type, depth.requires))


def finished_counts(tx: Transaction, since: float, until: float) -> list[tuple[str, int, int, int]]:
    """Returns (type, completed, failed, cancelled) of tasks that ended in a range (epoch seconds), as far as rolled
    up.
    """
    chosen = spans(since, until, HOUR, rollups.levels(tx))
    names = ("levels", "sinces", "untils")
    parameters = {name: [span[position] for span in chosen] for position, name in enumerate(names)}
    return [tuple(row) for row in tx.rows(queries("live_counts")["finished_counts"], parameters)]


def last_submissions(tx: Transaction, since: float, hour: float) -> dict[str, tuple[float | None, int]]:
    """Returns the submissions since a time, by type (times in epoch seconds).

    Each has the end of the minute of the last submission, and the number of hours before `hour` with any.
    """
    rows = tx.rows(queries("live_counts")["last_submissions"], {"since": since, "hour": hour})
    return {type_: (last, hours) for type_, last, hours in rows}


def server(tx: Transaction) -> ServerFigures:
    """Returns PostgreSQL's figures about itself."""
    return ServerFigures(*tx.rows(queries("live_counts")["server"], {})[0])


def database_size_bytes(tx: Transaction) -> int:
    """Returns the disk space of our database in bytes."""
    return int(tx.rows(queries("live_counts")["database_size"], {})[0][0])
