"""Reads and mutes error groups over a range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from taskyard.core.access.identity import Actor
from taskyard.core.payload.typed_text import checked
from taskyard.core.postgres.store.failures import FailureGroup
from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.submission import authorized_alerts
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views import failures as view
from taskyard.core.views.failures import (
    FINGERPRINT,
    MAX_FAILED,
    MAX_GROUPS,
    MAX_LATEST,
    TREND_STEPS,
    Choice,
    OneGroup,
    ShownGroup,
    chosen_of,
    failed_with,
    shown_groups,
)
from taskyard.core.views.narrowing import seen_group, seen_groups
from taskyard.core.views.seeing import sees_all_queues
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading, connections, forget
from taskyard.dashboard.data.readings import seen
from taskyard.dashboard.data.viewer import actor, viewer

__all__ = [
    "FINGERPRINT",
    "MAX_FAILED",
    "MAX_GROUPS",
    "MAX_LATEST",
    "TREND_STEPS",
    "Choice",
    "OneGroup",
    "ShownGroup",
    "failed_with",
]

MAX_SHOWN = 100  # groups that are shown


@dataclass(frozen=True, slots=True)
class Failures:
    """The displayed groups, out of `matching` ones.

    `muted` more would match, and `is_cut` says that there are more than were read. Attempts and tasks are not known by
    queue: they are None for those who do not see all queues.
    """

    groups: Sequence[ShownGroup]
    matching: int
    muted: int
    attempts: int | None
    tasks: int | None
    is_cut: bool


def find(range_seconds: int, choice: Choice) -> Reading[Failures]:
    """Returns the matching groups of a range, in the requested order."""
    every = groups(range_seconds)
    if every.value is None:
        return Reading(None, every.at, every.problems)
    matching, muted = chosen_of(every.value, choice)
    chosen = matching[:MAX_SHOWN]
    details = _details(range_seconds, tuple(group.fingerprint for group in chosen))
    if details.value is None:
        return Reading(None, details.at, details.problems)
    found = Failures(
        groups=shown_groups(chosen, *details.value),
        matching=len(matching),
        muted=muted,
        attempts=sum(group.attempts for group in matching) if counts_groups() else None,
        tasks=sum(group.tasks for group in matching) if counts_groups() else None,
        is_cut=len(every.value) == MAX_GROUPS,
    )
    return Reading(found, details.at)


def counts_groups() -> bool:
    """Returns True if the viewer may see how often a failure occurred: that is not known by queue."""
    return sees_all_queues(viewer())


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


def _read_groups(servers: Servers, sight: Actor, range_seconds: int) -> Sequence[FailureGroup]:
    with servers.database.transaction() as tx:
        return list(seen_groups(tx, sight, view.failure_groups(tx, base.now().timestamp(), range_seconds)))


_groups_fast = seen(ttl_seconds=2.0)(_read_groups)
_groups_slow = seen(ttl_seconds=15.0)(_read_groups)


@seen(ttl_seconds=2.0)
def _details(
    servers: Servers, _sight: Actor, range_seconds: int, fingerprints: tuple[str, ...]
) -> tuple[Mapping[str, Sequence[int]], Mapping[str, int], datetime]:
    """Returns by fingerprint the trend and the number of tasks still failed, and the start of the range."""
    with servers.database.transaction() as tx:
        return view.group_details(tx, range_seconds, fingerprints)


def _read_one(servers: Servers, sight: Actor, fingerprint: str, range_seconds: int) -> OneGroup:
    with servers.database.transaction() as tx:
        return seen_group(tx, sight, view.one_group(tx, fingerprint, range_seconds), fingerprint)


_one_fast = seen(ttl_seconds=2.0)(_read_one)
_one_slow = seen(ttl_seconds=15.0)(_read_one)
