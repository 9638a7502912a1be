"""Reads and mutes error groups over a range."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.models import Task
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import failures as store
from taskyard.core.postgres.store import history, search
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.failures import FailureGroup
from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.submission import authorized_alerts
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading, Servers, connections, forget, shared
from taskyard.dashboard.data.texts import checked
from taskyard.dashboard.data.viewer import actor

MAX_GROUPS = 1_000  # groups that are read
MAX_SHOWN = 100  # groups that are shown
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
class Failures:
    """The displayed groups, out of `matching` ones.

    `muted` more would match, and `is_cut` says that there are more than were read.
    """

    groups: Sequence[ShownGroup]
    matching: int
    muted: int
    attempts: int
    tasks: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class OneGroup:
    """A group in a range: None if it did not occur. `counts` has a value for each of `at` (epoch seconds)."""

    group: FailureGroup | None
    failed_now: int
    at: Sequence[float]
    counts: Sequence[int]
    latest: Sequence[Task]
    example: Task | None


def find(range_seconds: int, choice: Choice) -> Reading[Failures]:
    """Returns the matching groups of a range, in the requested order."""
    every = groups(range_seconds)
    if every.value is None:
        return Reading(None, every.at, every.problems)
    fitting = [group for group in every.value if choice.fits(group)]
    matching = [group for group in fitting if choice.has_muted or group.muted_until is None]
    if choice.sort != "count":
        matching.sort(key=lambda g: g.last_seen if choice.sort == "last" else g.first_seen, reverse=True)
    chosen = matching[:MAX_SHOWN]
    details = _details(range_seconds, tuple(group.fingerprint for group in chosen))
    if details.value is None:
        return Reading(None, details.at, details.problems)
    trends, failed_now, since = details.value
    shown = [
        ShownGroup(g, failed_now.get(g.fingerprint, 0), trends[g.fingerprint], g.first_seen >= since) for g in chosen
    ]
    found = Failures(
        groups=shown,
        matching=len(matching),
        muted=len(fitting) - len(matching),
        attempts=sum(group.attempts for group in matching),
        tasks=sum(group.tasks for group in matching),
        is_cut=len(every.value) == MAX_GROUPS,
    )
    return Reading(found, details.at)


def groups(range_seconds: int) -> Reading[Sequence[FailureGroup]]:
    """Returns the most frequent groups of a range, including muted ones; longer ranges are shared for longer."""
    return _groups_fast(range_seconds) if range_seconds <= HOUR else _groups_slow(range_seconds)


def one_group(fingerprint: str, range_seconds: int) -> Reading[OneGroup]:
    """Returns one group with all its details."""
    return _one_fast(fingerprint, range_seconds) if range_seconds <= HOUR else _one_slow(fingerprint, range_seconds)


def mute(fingerprint: str, seconds: float, reason: str) -> datetime:
    """Hides a group from lists for a while; returns the end of that time.

    Raises SubmissionError, NotPermitted or Unavailable.
    """
    why, who = checked("reason", reason), actor()
    with connections().database.transaction() as tx:
        until = authorized_alerts.mute(tx, who, fingerprint, seconds, why)
    forget()
    return until


def unmute(fingerprint: str) -> bool:
    """Shows a group again; returns False if it was not muted. Raises NotPermitted or Unavailable."""
    who = actor()
    with connections().database.transaction() as tx:
        is_changed = authorized_alerts.unmute(tx, who, fingerprint)
    forget()
    return is_changed


def failed_with(fingerprint: str) -> TaskFilter:
    """Returns the filter for tasks still failed with a fingerprint."""
    return TaskFilter.from_json({"states": ["failed"], "fingerprint": fingerprint})


def _read_groups(servers: Servers, range_seconds: int) -> Sequence[FailureGroup]:
    until = base.now().timestamp()
    with servers.database.transaction() as tx:
        return store.groups(tx, until - range_seconds, until, include_muted=True, limit=MAX_GROUPS)


_groups_fast = shared(ttl_seconds=2.0)(_read_groups)
_groups_slow = shared(ttl_seconds=15.0)(_read_groups)


@shared(ttl_seconds=2.0)
def _details(
    servers: Servers, range_seconds: int, fingerprints: tuple[str, ...]
) -> tuple[Mapping[str, Sequence[int]], Mapping[str, int], datetime]:
    """Returns by fingerprint the trend and the number of tasks still failed, and the start of the range."""
    with servers.database.transaction() as tx:
        until = tasks_store.now(tx)
        since, _step, counts = _trend(tx, fingerprints, until.timestamp(), range_seconds)
        failed_now = store.failed_now(tx, fingerprints)
    width = max(1, len(next(iter(counts.values()), ())) // TREND_STEPS)
    trends = {name: [sum(c[n : n + width]) for n in range(0, len(c), width)] for name, c in counts.items()}
    return trends, failed_now, datetime.fromtimestamp(since, until.tzinfo)


def _read_one(servers: Servers, fingerprint: str, range_seconds: int) -> OneGroup:
    with servers.database.transaction() as tx:
        until = tasks_store.now(tx).timestamp()
        since, step, counts = _trend(tx, [fingerprint], until, range_seconds)
        found = store.groups(tx, since, until, fingerprint=fingerprint, include_muted=True)
        group = found[0] if found else None
        return OneGroup(
            group=group,
            failed_now=store.failed_now(tx, [fingerprint])[fingerprint],
            at=[since + step * n for n in range(len(counts[fingerprint]))],
            counts=counts[fingerprint],
            latest=search.find(tx, TaskFilter(fingerprint=fingerprint), limit=MAX_LATEST).tasks,
            example=tasks_store.find_task(tx, group.example_task_id) if group else None,
        )


_one_fast = shared(ttl_seconds=2.0)(_read_one)
_one_slow = shared(ttl_seconds=15.0)(_read_one)


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
