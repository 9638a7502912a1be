"""The kinds of alert rules, and what only the kind of a rule can say about its fields (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

from taskyard.core.declarations import shown
from taskyard.core.i18n import N_, msg
from taskyard.core.patterns import can_match_label, can_match_type

SERVERS = ("PostgreSQL", "Redis")
LEADER = "leader"


class Subject(Enum):
    """What the subjects of a kind are, where not any text can be one."""

    OTHER = "other"
    TYPE = "type"
    QUEUE = "queue"
    SERVER = "server"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Kind:
    """What rules of a kind may set beside the fields that all have. A kind without a threshold is yes or no."""

    measures: str
    has_threshold: bool = True
    window_seconds: float | None = None
    least_count: int | None = None
    expected_hours: int | None = None
    is_whole: bool = False  # counts things: without `clear` it resolves below the threshold itself
    is_share: bool = False  # never above 1
    subject: Subject = Subject.OTHER


_TYPE, _QUEUE, _SERVER, _LEADER = Subject.TYPE, Subject.QUEUE, Subject.SERVER, Subject.LEADER
KINDS: Mapping[str, Kind] = {
    "leader_missing": Kind(N_("whether no worker leads"), False, subject=_LEADER),
    "server_down": Kind(N_("whether PostgreSQL or Redis does not answer"), False, subject=_SERVER),
    "tick_blocked": Kind(N_("seconds that the tick has waited for somebody's lock on a table, or on a task's row")),
    "dispatcher_stalled": Kind(N_("seconds since the dispatcher last ended a tick")),
    "not_started": Kind(N_("seconds that an agent with a free slot has not started a task that it has")),
    "agent_unhealthy": Kind(N_("whether an agent does no work"), has_threshold=False),
    "dashboard_down": Kind(N_("whether the dashboard that a worker serves does not answer"), has_threshold=False),
    "duty_late": Kind(N_("whether a periodic duty of the worker is late or hangs"), has_threshold=False),
    "no_agent": Kind(N_("whether tasks of a type wait that no agent can take"), False, subject=_TYPE),
    "oldest_waiting": Kind(N_("seconds that a queue's oldest ready task has waited"), subject=_QUEUE),
    "queue_growth": Kind(N_("tasks by which a queue grew in the window"), window_seconds=600, subject=_QUEUE),
    "failure_rate": Kind(
        N_("share of a type's attempts that failed"),
        window_seconds=300,
        least_count=20,
        subject=_TYPE,
        is_share=True,
    ),
    "retry_storm": Kind(N_("a type's attempts a minute that will be repeated"), window_seconds=300, subject=_TYPE),
    "latency_p99": Kind(N_("99th percentile of a type's seconds from ready to started"), True, 300, 20, subject=_TYPE),
    "agent_lost": Kind(N_("boots of an agent that were lost"), window_seconds=300, is_whole=True),
    "agent_flapping": Kind(N_("starts of an agent"), window_seconds=600, is_whole=True),
    "name_shared": Kind(N_("boots that use an agent's name at once, beside the first"), is_whole=True),
    "disk": Kind(N_("share of a host's disk that is used"), is_share=True),
    "memory": Kind(N_("share of a host's memory that is used"), is_share=True),
    "absence": Kind(
        N_("seconds since the last submission of a type that is expected"), expected_hours=6, subject=_TYPE
    ),
    "quarantined": Kind(N_("things that could not be processed and are in quarantine"), is_whole=True),
    "mail_unread": Kind(N_("seconds that the oldest message in an agent's mailbox has waited")),
    "dead_letters": Kind(N_("messages to an agent that were given up"), is_whole=True),
    "anomaly": Kind(N_("robust z-score of a type's duration, failure rate or arrival rate against its own past")),
}


def kind_problems(given: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a rule as it stands in the file, as far as its kind decides it."""
    name = given.get("kind")
    if not isinstance(name, str):
        return
    kind = KINDS.get(name)
    if kind is None:
        yield msg("kind: {value} is not accepted: expected one of {names}", value=shown(name), names=", ".join(KINDS))
        return
    yield from _threshold_problems(name, kind, given)
    for field in ("window_seconds", "least_count", "expected_hours"):
        if getattr(kind, field) is None and field in given:
            yield msg("{name}: does not apply to a rule of kind {kind}", name=field, kind=name)
    subjects = given.get("subjects")
    for pattern in subjects if isinstance(subjects, list) else ():
        if isinstance(pattern, str) and not _can_match(kind.subject, pattern):
            yield msg(
                "subjects: {value} is not accepted: no subject of a rule of kind {kind} can ever match it",
                value=shown(pattern),
                kind=name,
            )


def _threshold_problems(name: str, kind: Kind, given: Mapping[str, Any]) -> Iterator[str]:
    if not kind.has_threshold:
        if {"threshold", "clear"} & given.keys():
            yield msg("threshold: a rule of kind {kind} has none: it asks {asks}", kind=name, asks=msg(kind.measures))
    elif "threshold" not in given:
        yield msg("threshold: missing: expected a number: {measures}", measures=msg(kind.measures))
    elif kind.is_share and isinstance(given["threshold"], int | float) and given["threshold"] > 1:
        yield msg(
            "threshold: {threshold} is not accepted: expected at most 1, as it measures a {measures}",
            threshold=shown(given["threshold"]),
            measures=msg(kind.measures),
        )


def _can_match(subject: Subject, pattern: str) -> bool:
    if subject is Subject.TYPE:
        return can_match_type(pattern)
    if subject is Subject.QUEUE:
        return can_match_label(pattern)
    if subject in (Subject.SERVER, Subject.LEADER):
        names = SERVERS if subject is Subject.SERVER else (LEADER,)
        return any(fnmatchcase(name, pattern) for name in names)
    return bool(pattern)
