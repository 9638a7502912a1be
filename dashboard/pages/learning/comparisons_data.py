"""Reads hourly comparisons of placement policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taskyard.core.access.identity import Actor
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views import policy_comparisons as view
from taskyard.core.views.policy_comparisons import Compared, change
from taskyard.core.views.seeing import sees_all_types
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.data.readings import seen
from taskyard.dashboard.data.viewer import viewer

__all__ = ["Compared", "Comparisons", "change", "compared_queues", "comparisons", "sees_comparisons"]


@dataclass(frozen=True, slots=True)
class Comparisons:
    """The last comparison of each queue in a range, and all those of one queue, oldest first."""

    latest: Sequence[Compared]
    of_queue: Sequence[Compared]


@seen(ttl_seconds=30.0)
def _latest(servers: Servers, sight: Actor, range_seconds: int) -> Sequence[Compared]:
    with servers.database.transaction() as tx:
        return view.latest_of(tx, sight, base.now().timestamp(), range_seconds) or ()


@seen(ttl_seconds=30.0)
def _of_queue(servers: Servers, sight: Actor, range_seconds: int, queue: str) -> Sequence[Compared]:
    with servers.database.transaction() as tx:
        return view.of_queue(tx, sight, base.now().timestamp(), range_seconds, queue)


def comparisons(range_seconds: int, queue: str) -> Reading[Comparisons]:
    """Returns the last comparison of each of the viewer's queues in a range, and all those of one of them."""
    latest, own = _latest(range_seconds), _of_queue(range_seconds, queue)
    if latest.value is None or own.value is None:
        return Reading(None, min(latest.at, own.at), latest.problems or own.problems)
    return Reading(Comparisons(latest.value, own.value), min(latest.at, own.at))


def compared_queues(range_seconds: int) -> list[str]:
    """Returns the viewer's queues with comparisons in a range, those with most tasks first."""
    return [one.queue for one in _latest(range_seconds).value or ()]


def sees_comparisons() -> bool:
    """Returns True if the viewer may see comparisons: they count tasks of all types."""
    return sees_all_types(viewer())
