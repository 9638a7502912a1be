"""Reads error groups over a range: how often, since when, where, and how many tasks are failed still."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.models import Task
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import failures as store
from taskyard.core.postgres.store import history, search
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.failures import FailureGroup

MAX_GROUPS = 1_000  # groups that are read
TREND_STEPS = 30
MAX_LATEST = 20
FINGERPRINT = re.compile(r"[0-9a-f]{16}")
MAX_FAILED = store.MAX_FAILED


@dataclass(frozen=True, slots=True)
class Choice:
    """The viewer's choice of groups: None and empty stand for all."""

    type: str | None = None
    error_class: str | None = None
    text: str = ""
    has_muted: bool = False
    sort: str = "count"

    def fits(self, group: FailureGroup) -> bool:
        """Returns True if a group matches, muted or not."""
        text = self.text.casefold()
        return (
            self.type in (None, group.type)
            and self.error_class in (None, group.error_class)
            and (text in group.message.casefold() or text in group.type.casefold() or text == group.fingerprint)
        )


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """A group, its tasks still failed, its failed attempts over the range, and whether it began in the range."""

    group: FailureGroup
    failed_now: int
    trend: Sequence[int]
    is_new: bool


@dataclass(frozen=True, slots=True)
class OneGroup:
    """A group in a range: None if it did not occur. `counts` has a value for each of `at` (epoch seconds)."""

    group: FailureGroup | None
    failed_now: int
    at: Sequence[float]
    counts: Sequence[int]
    latest: Sequence[Task]
    example: Task | None


def failure_groups(tx: Transaction, until: float, range_seconds: int) -> Sequence[FailureGroup]:
    """Returns the most frequent groups of a range that ends at `until` (epoch seconds), including muted ones."""
    return store.groups(tx, until - range_seconds, until, include_muted=True, limit=MAX_GROUPS)


def chosen_of(groups: Iterable[FailureGroup], choice: Choice) -> tuple[list[FailureGroup], int]:
    """Returns the groups that match, in the requested order, and how many muted ones match besides."""
    fitting = [group for group in groups if choice.fits(group)]
    matching = [group for group in fitting if choice.has_muted or group.muted_until is None]
    if choice.sort != "count":
        matching.sort(key=lambda g: g.last_seen if choice.sort == "last" else g.first_seen, reverse=True)
    return matching, len(fitting) - len(matching)


def shown_groups(
    groups: Sequence[FailureGroup],
    trends: Mapping[str, Sequence[int]],
    failed_now: Mapping[str, int],
    since: datetime,
) -> list[ShownGroup]:
    """Returns groups with what `group_details` found of them."""
    return [
        ShownGroup(g, failed_now.get(g.fingerprint, 0), trends[g.fingerprint], g.first_seen >= since) for g in groups
    ]


def group_details(
    tx: Transaction, range_seconds: int, fingerprints: Sequence[str]
) -> tuple[Mapping[str, Sequence[int]], Mapping[str, int], datetime]:
    """Returns by fingerprint the trend and the number of tasks still failed, and the start of the range."""
    until = tasks_store.now(tx)
    _first, _step, counts = _trend(tx, fingerprints, until.timestamp(), range_seconds)
    failed_now = store.failed_now(tx, fingerprints)
    width = max(1, len(next(iter(counts.values()), ())) // TREND_STEPS)
    trends = {name: [sum(c[n : n + width]) for n in range(0, len(c), width)] for name, c in counts.items()}
    return trends, failed_now, until - timedelta(seconds=range_seconds)


def one_group(tx: Transaction, fingerprint: str, range_seconds: int) -> OneGroup:
    """Returns one group with all its details over a range until now; raises Unavailable."""
    until = tasks_store.now(tx).timestamp()
    first, step, counts = _trend(tx, [fingerprint], until, range_seconds)
    found = store.groups(tx, until - range_seconds, until, fingerprint=fingerprint, include_muted=True)
    group = found[0] if found else None
    return OneGroup(
        group=group,
        failed_now=store.failed_now(tx, [fingerprint])[fingerprint],
        at=[first + step * n for n in range(len(counts[fingerprint]))],
        counts=counts[fingerprint],
        latest=search.find(tx, TaskFilter(fingerprint=fingerprint), limit=MAX_LATEST).tasks,
        example=tasks_store.find_task(tx, group.example_task_id) if group else None,
    )


def failed_with(fingerprint: str) -> TaskFilter:
    """Returns the filter for tasks still failed with a fingerprint."""
    return TaskFilter.from_json({"states": ["failed"], "fingerprint": fingerprint})


def _trend(
    tx: Transaction, fingerprints: Sequence[str], until: float, range_seconds: int
) -> tuple[float, int, dict[str, list[int]]]:
    """Returns (start of the range's first step, step in seconds, failed attempts of each step by fingerprint)."""
    step = history.step_for(range_seconds)
    since = (until - range_seconds) // step * step
    counts = {fingerprint: [0] * (int((until - since) // step) + 1) for fingerprint in fingerprints}
    for fingerprint, points in store.trend(tx, fingerprints, since, until, step).items():
        for start, attempts in points:
            counts[fingerprint][int((start - since) // step)] += attempts
    return since, step, counts
