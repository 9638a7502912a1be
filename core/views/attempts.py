"""Reconstructs a task's attempts from its history: when each waited, ran and backed off (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from taskyard.core.models import AuditEvent, Task
from taskyard.core.states import CLAIMED, TaskState

RUNNING = "running"
WAITING = "waiting"
SUSPENDED = "suspended"
BEGUN, WON, DROPPED = "hedged", "hedge_won", "hedge_dropped"  # events of second attempts
_ENDS = frozenset({"completed", "failed", "attempt_failed", "handed_back", SUSPENDED, "cancelled", DROPPED})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: ready → given to `agent` (by name) → started → ended → due again, or resumed if it was suspended.

    `outcome` is the event that ended it, RUNNING, or WAITING for one that has no agent yet. A time is None if it
    has not come, or is unknown. An attempt is ready when the one before has ended and backed off. A second attempt is
    ready when it begins: `beside` is the number of the one that ran then, which ends by WON if the second one is first.
    """

    number: int
    outcome: str
    agent: str = ""
    ready_at: datetime | None = None
    assigned_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    due_at: datetime | None = None
    resumed_at: datetime | None = None
    error_class: str = ""
    message: str = ""
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    beside: int | None = None

    def wait_seconds(self, now: datetime) -> float | None:
        """Returns the seconds from ready to started, or until `now`; None if it was never ready at a known time."""
        return _between(self.ready_at, self.started_at or self.ended_at or now)

    def run_seconds(self, now: datetime) -> float | None:
        """Returns the seconds from started to ended, or until `now`; None if it has not started."""
        return _between(self.started_at, self.ended_at or now)

    @property
    def backoff_seconds(self) -> float | None:
        """Returns the seconds from its end until the task was due again; None without."""
        return _between(self.ended_at, self.due_at)

    def pause_seconds(self, now: datetime) -> float | None:
        """Returns the seconds for which the task was suspended after it, or until `now`; None if it was not."""
        return _between(self.ended_at, self.resumed_at or now) if self.outcome == SUSPENDED else None


def attempts_of(task: Task, events: Sequence[AuditEvent]) -> list[Attempt]:
    """Returns every attempt of a task by its number; last, one without an agent if the task waits for it."""
    found: dict[int, Attempt] = {}
    for event in events:
        if event.attempt is not None:
            _take(found, event.attempt, event)
    current = found.get(task.attempt)
    if current is not None and current.beside is None and task.state in CLAIMED:
        started_at = task.started_at if task.state is TaskState.IN_PROGRESS else None
        found[task.attempt] = replace(
            current, ready_at=min(task.ready_at, current.ready_at or task.ready_at), started_at=started_at
        )
    _drop_left_over(found, task.attempt)
    if task.state in (TaskState.PENDING, TaskState.SCHEDULED):
        number = max(task.attempt, task.hedged or 0) + 1
        found[number] = Attempt(number, WAITING, ready_at=task.ready_at)
    return _resumed([found[number] for number in sorted(found)])


def _take(found: dict[int, Attempt], number: int, event: AuditEvent) -> None:
    """Adds the attempt that an event begins, or tells the attempts that it is about what it changes.

    A second attempt that takes over just goes on: what ended the other one has an event of its own.
    """
    if event.event == "assigned":
        found[number] = Attempt(number, RUNNING, name_of(event.agent_id), ready_at=event.at, assigned_at=event.at)
        return
    beside = (event.detail or {}).get("beside")
    if event.event == BEGUN:
        found[number] = Attempt(number, RUNNING, name_of(event.agent_id), event.at, event.at, event.at, beside=beside)
    elif event.event == WON and beside in found and found[beside].outcome == RUNNING:
        found[beside] = replace(found[beside], outcome=WON, ended_at=event.at)
    elif number in found:
        found[number] = _with(found[number], event)


def _drop_left_over(found: dict[int, Attempt], current: int) -> None:
    """Ends second attempts whose end nobody recorded, since the leader died: they ended with the one beside them."""
    for number, attempt in found.items():
        other = found.get(attempt.beside or 0)
        if attempt.outcome == RUNNING and number != current and other is not None and other.ended_at is not None:
            ended_at = max(attempt.started_at or other.ended_at, other.ended_at)
            found[number] = replace(attempt, outcome=DROPPED, ended_at=ended_at)


def _resumed(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Returns attempts, those that were suspended until a time with when that came: the next one is ready then."""
    told: list[Attempt] = []
    resumed_at = None
    for one in reversed(attempts):
        told.append(one if one.resumed_at is not None else replace(one, resumed_at=resumed_at))
        if one.beside is None:
            resumed_at = one.ready_at
    return told[::-1]


def path_of(events: Iterable[AuditEvent]) -> list[tuple[str | None, str]]:
    """Returns the task's transitions in order; the first is from None. Events without a change of state are left
    out.
    """
    return [(event.from_state, event.to_state) for event in events if event.to_state is not None and _changes(event)]


def change_to(state: TaskState, events: Sequence[AuditEvent]) -> AuditEvent | None:
    """Returns the last event that brought the task into a state; others that found it so say nothing of who did it."""
    return next((event for event in reversed(events) if event.to_state == state and _changes(event)), None)


def name_of(agent_id: str | None) -> str:
    """Returns the name in an agent's id, which is name:boot."""
    return (agent_id or "").rpartition(":")[0]


def _changes(event: AuditEvent) -> bool:
    return event.from_state != event.to_state


def _with(attempt: Attempt, event: AuditEvent) -> Attempt:
    """Returns the attempt after one of its events."""
    if event.event == "started":
        return replace(attempt, started_at=event.at)
    if event.from_state == TaskState.SUSPENDED and event.to_state != TaskState.SUSPENDED:
        return replace(attempt, resumed_at=event.at)
    if event.event not in _ENDS or attempt.outcome != RUNNING:
        return attempt
    if event.from_state not in CLAIMED and event.event != DROPPED:  # which comes after the end of the task, too
        return attempt
    detail = event.detail or {}
    started_at = attempt.started_at
    if event.run_seconds is not None:
        started_at = event.at - timedelta(seconds=event.run_seconds)
    ready_at = attempt.ready_at
    if attempt.beside is not None:
        ready_at = started_at  # the wait in its event is that of its task
    elif event.wait_seconds is not None and started_at is not None:
        ready_at = started_at - timedelta(seconds=event.wait_seconds)
    delay_seconds = detail.get("delay_seconds")
    return replace(
        attempt,
        outcome=event.event,
        ready_at=ready_at,
        started_at=started_at,
        ended_at=event.at,
        due_at=event.at + timedelta(seconds=delay_seconds) if isinstance(delay_seconds, int | float) else None,
        error_class=str(detail.get("class") or ""),
        message=str(detail.get("message") or detail.get("reason") or ""),
        cpu_seconds=event.cpu_seconds,
        peak_memory_bytes=event.peak_memory_bytes,
    )


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max(0.0, (end - start).total_seconds())
