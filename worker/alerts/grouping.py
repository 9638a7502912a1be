"""Makes one notification of many of the same rule (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from taskyard.worker.alerts.notification import Notification, Told

MAX_TOLD = 100  # alerts in one notification; its count says how many there are
MAX_NAMES = 5


def grouped(notifications: Iterable[Notification]) -> list[Notification]:
    """Returns one notification for each rule and event, in the order in which the first of each came."""
    groups: dict[tuple[str, str], list[Notification]] = {}
    for one in notifications:
        groups.setdefault((one.event, one.rule), []).append(one)
    return [found[0] if len(found) == 1 else _one_of(found) for found in groups.values()]


def _one_of(found: Sequence[Notification]) -> Notification:
    """Returns the first notification with what the others say: its id, by which receivers know it, is kept."""
    first, names = found[0], [one.subject for one in found]
    hidden = len(names) - MAX_NAMES
    subjects = ", ".join(names[:MAX_NAMES]) + (f" and {hidden} more" if hidden > 0 else "")
    return replace(
        first,
        subject=subjects,
        message=f"{len(found)} alerts: {subjects}",
        value=None,
        count=len(found),
        url=first.rule_url,
        subject_url=None,
        alerts=tuple(Told.of(one) for one in found[:MAX_TOLD]),
    )
