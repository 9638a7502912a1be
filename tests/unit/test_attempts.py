"""Attempts and the way through the states, as a history tells them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskyard.core.models import AuditEvent, Task
from taskyard.core.states import Priority, TaskState
from taskyard.core.views.attempts import RUNNING, WAITING, attempts_of, path_of
from taskyard.dashboard.pages.task.attempts_chart import bars_of

START = datetime(2030, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(seconds: float, name: str, before: str | None, after: str | None, attempt: int | None, **rest: Any):
    return AuditEvent(
        at(seconds),
        name,
        before,
        after,
        attempt,
        "dispatcher",
        rest.pop("agent", None),
        rest.pop("detail", None),
        **rest,
    )


def task(state: str, attempt: int, **changes: Any) -> Task:
    values: dict[str, Any] = dict.fromkeys(Task.__dataclass_fields__)
    values |= {"state": TaskState(state), "attempt": attempt, "priority": Priority.MEDIUM, "ready_at": at(0)}
    return Task(**(values | changes))


SUBMITTED = event(0, "submitted", None, "pending", 0)
FAILED_ONCE = [
    SUBMITTED,
    event(2, "assigned", "pending", "assigned", 1, agent="one:b1"),
    event(3, "started", "assigned", "in_progress", 1, agent="one:b1"),
    event(
        5,
        "attempt_failed",
        "in_progress",
        "scheduled",
        1,
        agent="one:b1",
        detail={"class": "transient", "message": "no luck", "delay_seconds": 4.0},
        wait_seconds=3.0,
        run_seconds=2.0,
        cpu_seconds=0.5,
        peak_memory_bytes=1024,
    ),
]
DONE_AT_ONCE = [
    event(9, "assigned", "scheduled", "assigned", 2, agent="two:b1"),
    event(10, "completed", "assigned", "completed", 2, agent="two:b1", wait_seconds=0.5, run_seconds=0.5),
]


def test_an_attempt_waits_runs_fails_and_backs_off() -> None:
    [first, waiting] = attempts_of(task("scheduled", 1, ready_at=at(9)), FAILED_ONCE)

    assert (first.number, first.outcome, first.agent, first.error_class) == (1, "attempt_failed", "one", "transient")
    assert first.wait_seconds(at(100)) == 3.0
    assert first.run_seconds(at(100)) == 2.0
    assert first.backoff_seconds == 4.0
    assert (first.cpu_seconds, first.peak_memory_bytes, first.message) == (0.5, 1024, "no luck")
    assert (waiting.number, waiting.outcome) == (2, WAITING)
    assert waiting.wait_seconds(at(6)) == 0.0
    assert waiting.wait_seconds(at(10)) == 1.0


def test_a_start_that_was_not_recorded_is_told_from_its_end() -> None:
    [_first, second] = attempts_of(task("completed", 2), [*FAILED_ONCE, *DONE_AT_ONCE])

    assert second.started_at == at(9.5)
    assert second.ready_at == at(9)
    assert second.outcome == "completed"


def test_a_running_attempt_runs_until_now() -> None:
    events = [SUBMITTED, event(2, "assigned", "pending", "assigned", 1, agent="one:b1")]

    [given] = attempts_of(task("assigned", 1), events)
    assert (given.outcome, given.started_at, given.wait_seconds(at(5))) == (RUNNING, None, 5.0)

    [running] = attempts_of(task("in_progress", 1, started_at=at(3)), events)
    assert (running.wait_seconds(at(5)), running.run_seconds(at(5))) == (3.0, 2.0)


@pytest.mark.parametrize(("before", "outcome"), [("in_progress", "cancelled"), ("pending", "handed_back")])
def test_a_cancellation_ends_an_attempt_only_if_it_had_an_agent(before: str, outcome: str) -> None:
    events = [SUBMITTED, event(1, "assigned", "pending", "assigned", 1, agent="one:b1")]
    if before == "pending":
        events.append(event(2, "handed_back", "assigned", "pending", 1, agent="one:b1"))
    events.append(event(4, "cancelled", before, "cancelled", 1))

    [only] = attempts_of(task("cancelled", 1), events)

    assert only.outcome == outcome


SUSPENDED = [
    SUBMITTED,
    event(1, "assigned", "pending", "assigned", 1, agent="one:b1"),
    event(3, "suspended", "assigned", "suspended", 1, agent="one:b1", wait_seconds=1.0, run_seconds=2.0),
]


def test_a_task_that_no_agent_had_has_no_attempts() -> None:
    assert attempts_of(task("blocked", 0), [SUBMITTED]) == []


def test_a_suspended_attempt_pauses_until_now() -> None:
    [only] = attempts_of(task("suspended", 1), SUSPENDED)
    assert (only.outcome, only.run_seconds(at(9)), only.pause_seconds(at(9)), only.backoff_seconds) == (
        "suspended", 2.0, 6.0, None,
    )  # fmt: skip
    assert bars_of(only, at(9)) == [
        ("#1", "wait", at(0), 1.0), ("#1", "run", at(1), 2.0), ("#1", "pause", at(3), 6.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "then", "expected"),
    [
        ("pending", [event(7, "woken", "suspended", "pending", 1)], [4.0, None]),
        ("pending", [event(7, "signalled", "suspended", "suspended", 1)], [5.0, None]),  # until the next one is ready
        ("cancelled", [event(7, "cancelled", "suspended", "cancelled", 1)], [4.0]),
        ("completed", [
            event(9, "assigned", "suspended", "assigned", 2, agent="one:b1"),
            event(10, "completed", "assigned", "completed", 2, agent="one:b1", wait_seconds=0.5, run_seconds=0.5),
        ], [6.0, None]),
    ],
)  # fmt: skip
def test_a_pause_ends_when_the_task_goes_on(state: str, then: list[AuditEvent], expected: list[float | None]) -> None:
    found = attempts_of(task(state, len(expected) if state == "completed" else 1, ready_at=at(8)), [*SUSPENDED, *then])
    assert [attempt.pause_seconds(at(100)) for attempt in found] == expected


def test_a_retried_task_waits_for_its_next_attempt() -> None:
    events = [*FAILED_ONCE, *DONE_AT_ONCE[:1], event(10, "failed", "assigned", "failed", 2, agent="two:b1")]
    events.append(event(20, "retried", "failed", "pending", 2))

    found = attempts_of(task("pending", 2, ready_at=at(20)), events)

    assert [(attempt.number, attempt.outcome) for attempt in found] == [
        (1, "attempt_failed"),
        (2, "failed"),
        (3, WAITING),
    ]


def test_the_path_has_only_what_changed_the_state() -> None:
    events = [SUBMITTED, event(1, "reprioritised", "pending", "pending", 0), event(1, "log", None, None, 1)]
    events += FAILED_ONCE[1:]

    assert path_of(events) == [
        (None, "pending"),
        ("pending", "assigned"),
        ("assigned", "in_progress"),
        ("in_progress", "scheduled"),
    ]
