"""Attempts and the way through the states, as a history tells them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskyard.core.models import AuditEvent, Task
from taskyard.core.states import Priority, TaskState
from taskyard.core.views.attempts import RUNNING, WAITING, Attempt, attempts_of, change_to, path_of
from taskyard.dashboard.pages.task.attempts_chart import bars_of, outcome_word

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


HEDGED = [
    SUBMITTED,
    event(1, "assigned", "pending", "assigned", 1, agent="one:b1"),
    event(2, "started", "assigned", "in_progress", 1, agent="one:b1"),
    event(10, "hedged", "in_progress", "in_progress", 2, agent="two:b1", detail={"beside": 1, "late_seconds": 7.5}),
]
WON = [
    event(14, "hedge_won", "in_progress", "in_progress", 2, agent="two:b1", detail={"beside": 1}),
    event(14, "completed", "in_progress", "completed", 2, agent="two:b1", wait_seconds=2.0, run_seconds=3.5),
    event(15, "stale_result", "completed", "completed", 1, agent="one:b1", detail={"reported": "completed"}),
]


def dropped(seconds: float, state: str) -> AuditEvent:
    return event(seconds, "hedge_dropped", state, state, 2, agent="two:b1", detail={"reason": "no longer wanted"})


def told(found: list[Attempt]) -> list[tuple[int, str, str, float | None]]:
    return [(one.number, one.outcome, one.agent, one.run_seconds(at(20))) for one in found]


def test_two_attempts_run_beside_each_other() -> None:
    found = attempts_of(task("in_progress", 1, started_at=at(2), hedged=2), HEDGED)

    assert told(found) == [(1, RUNNING, "one", 18.0), (2, RUNNING, "two", 10.0)]
    assert [name for one in found for _row, name, _start, _seconds in bars_of(one, at(20))] == ["wait", "run", "run"]


def test_a_second_attempt_that_is_first_ends_the_other() -> None:
    first, second = attempts_of(task("completed", 2, started_at=at(2), hedged=2), [*HEDGED, *WON])

    assert told([first, second]) == [(1, "hedge_won", "one", 12.0), (2, "completed", "two", 3.5)]
    assert (second.started_at, second.wait_seconds(at(20))) == (at(10.5), 0.0)  # not the wait of its task
    assert outcome_word(first.outcome) == "cancelled: the second attempt was first"


@pytest.mark.parametrize(
    ("then", "changes", "expected"),
    [
        ([dropped(12, "in_progress")], {"started_at": at(2)}, [(1, RUNNING, 18.0), (2, "hedge_dropped", 2.0)]),
        (
            [event(13, "completed", "in_progress", "completed", 1, run_seconds=11.0), dropped(13.5, "completed")],
            {"state": TaskState.COMPLETED},
            [(1, "completed", 11.0), (2, "hedge_dropped", 3.5)],
        ),
        (  # the leader died before it recorded that
            [event(13, "completed", "in_progress", "completed", 1, run_seconds=11.0)],
            {"state": TaskState.COMPLETED},
            [(1, "completed", 11.0), (2, "hedge_dropped", 3.0)],
        ),
        (
            [event(13, "handed_back", "in_progress", "pending", 1), dropped(13, "pending")],
            {"state": TaskState.PENDING, "ready_at": at(13)},
            [(1, "handed_back", 11.0), (2, "hedge_dropped", 3.0), (3, WAITING, None)],
        ),
    ],
)
def test_a_second_attempt_that_is_dropped_ends(
    then: list[AuditEvent], changes: dict[str, Any], expected: list[tuple[int, str, float | None]]
) -> None:
    found = attempts_of(replace(task("in_progress", 1, hedged=2), **changes), [*HEDGED, *then])

    assert [(one.number, one.outcome, one.run_seconds(at(20))) for one in found] == expected
    assert found[1].message in ("no longer wanted", "")


@pytest.mark.parametrize("ended", ["attempt_failed", "handed_back"])
def test_a_second_attempt_that_takes_over_goes_on(ended: str) -> None:
    events = [
        *HEDGED,
        event(13, ended, "in_progress", "in_progress", 1, agent="one:b1"),
        event(13, "hedge_took_over", "in_progress", "in_progress", 2, agent="two:b1", detail={"beside": 1}),
    ]
    going_on = attempts_of(task("in_progress", 2, started_at=at(2), hedged=2), events)
    assert told(going_on) == [(1, ended, "one", 11.0), (2, RUNNING, "two", 10.0)]

    events.append(event(16, "completed", "in_progress", "completed", 2, agent="two:b1", run_seconds=5.5))
    ended_well = attempts_of(task("completed", 2, hedged=2), events)
    assert told(ended_well) == [(1, ended, "one", 11.0), (2, "completed", "two", 5.5)]


def test_a_pause_does_not_end_by_a_second_attempt() -> None:
    events = [*HEDGED, event(13, "suspended", "in_progress", "suspended", 1), dropped(13, "suspended")]

    assert attempts_of(task("suspended", 1, hedged=2), events)[0].pause_seconds(at(20)) == 7.0


def test_the_path_has_only_what_changed_the_state() -> None:
    events = [SUBMITTED, event(1, "reprioritised", "pending", "pending", 0), event(1, "log", None, None, 1)]
    events += FAILED_ONCE[1:]

    assert path_of(events) == [
        (None, "pending"),
        ("pending", "assigned"),
        ("assigned", "in_progress"),
        ("in_progress", "scheduled"),
    ]


def test_who_cancelled_a_task_is_told_by_what_changed_its_state() -> None:
    cancelled = event(4, "cancelled", "in_progress", "cancelled", 1)
    events = [*HEDGED[:3], cancelled, event(9, "stale_result", "cancelled", "cancelled", 1, agent="one:b1")]

    assert change_to(TaskState.CANCELLED, events) is cancelled
    assert change_to(TaskState.COMPLETED, events) is None
