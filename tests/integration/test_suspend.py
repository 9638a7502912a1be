"""Tasks that give their slot back: for a time, until a signal, until their children ended, as a provider says."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel, field_validator

from taskyard.core.errors import IllegalTransition, RetryAfter, SubmissionError, TransientError
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.attempts.suspension import children, signal
from tests.engine import Engine, Payload
from tests.servers import wait_until


class Approval(BaseModel):
    by: str


@pytest.fixture
def busy(engine: Engine) -> Engine:
    engine.worker()
    engine.agent(max_concurrency=2)
    return engine


def without_starts(engine: Engine, task_id: str) -> list[str]:
    """The events of a task; of a start that its end follows at once there is none."""
    return [event for event in engine.events(task_id) if event != "started"]


def test_a_task_comes_back_after_a_time_with_its_state_and_has_paid_nothing(busy: Engine) -> None:
    def nap(given: Payload, context: TaskContext) -> Payload:
        if context.last_checkpoint is None:
            context.suspend(0.3, state={"n": 1})
        return Payload.model_validate({"attempt": context.attempt, "found": context.last_checkpoint})

    busy.define("demo.nap", nap, retry=RetryPolicy(max_attempts=1))
    task = busy.wait_for(busy.submit("demo.nap"))
    assert (task.state, task.output) == ("completed", {"attempt": 2, "found": {"n": 1}})
    assert (task.attempt, task.refunded) == (2, 1)
    assert without_starts(busy, task.id) == ["submitted", "assigned", "suspended", "assigned", "completed"]


def test_a_datetime_that_has_passed_suspends_nothing(busy: Engine) -> None:
    def nap(given: Payload, context: TaskContext) -> Payload:
        context.suspend(datetime.now(UTC) - timedelta(seconds=1))
        return Payload.model_validate({"attempt": context.attempt})

    busy.define("demo.nap", nap)
    assert busy.wait_for(busy.submit("demo.nap")).output == {"attempt": 1}


def test_a_datetime_needs_no_state(busy: Engine) -> None:
    at = datetime.now(UTC) + timedelta(seconds=1)

    def nap(given: Payload, context: TaskContext) -> Payload:
        context.suspend(at)
        return Payload.model_validate({"attempt": context.attempt})

    busy.define("demo.nap", nap)
    assert busy.wait_for(busy.submit("demo.nap")).output == {"attempt": 2}


def test_seconds_without_a_state_are_refused(busy: Engine) -> None:
    busy.define("demo.nap", lambda given, context: context.suspend(1))
    task = busy.wait_for(busy.submit("demo.nap"))
    assert task.state == "failed"
    assert task.error is not None
    assert task.error["class"] == "permanent"
    assert "would begin anew and wait for ever" in task.error["message"]


def ask(given: Payload, context: TaskContext) -> Payload:
    answer = context.suspend(signal("approved", Approval, timeout_seconds=getattr(given, "timeout", None)))
    return Payload.model_validate({"by": answer and answer.by, "attempt": context.attempt})


def test_a_signal_wakes_the_task_that_waits_for_it(busy: Engine) -> None:
    busy.define("demo.ask", ask)
    task_id = busy.submit("demo.ask")
    busy.wait_for(task_id, "suspended")
    assert busy.submitter.send_signal(task_id, "approved", {"by": "ann"}, actor="test", signal_id="1")
    assert busy.wait_for(task_id).output == {"by": "ann", "attempt": 2}
    assert not busy.submitter.send_signal(task_id, "approved", {"by": "bob"}, actor="test", signal_id="1")
    with pytest.raises(IllegalTransition, match="only unfinished tasks take signals"):
        busy.submitter.send_signal(task_id, "approved", {"by": "bob"}, actor="test", signal_id="2")
    events = ["submitted", "assigned", "suspended", "signalled", "woken", "assigned", "completed"]
    assert without_starts(busy, task_id) == events


def test_an_early_signal_waits_in_the_row(busy: Engine) -> None:
    busy.define("demo.ask", ask)
    task_id = busy.submit("demo.ask", delay_seconds=0.5)
    busy.submitter.send_signal(task_id, "approved", {"by": "ann"}, actor="test")
    assert busy.wait_for(task_id).output == {"by": "ann", "attempt": 1}


def test_a_signal_during_the_attempt_that_then_suspends_wakes_at_once(busy: Engine) -> None:
    def ask_slowly(given: Payload, context: TaskContext) -> Payload:
        if context.attempt == 1:
            busy.submitter.send_signal(context.task_id, "approved", {"by": "ann"}, actor="test")
        return ask(given, context)

    busy.define("demo.ask", ask_slowly)
    assert busy.wait_for(busy.submit("demo.ask")).output == {"by": "ann", "attempt": 2}


def test_a_wait_that_times_out_goes_on_with_none(busy: Engine) -> None:
    busy.define("demo.ask", ask)
    task = busy.wait_for(busy.submit("demo.ask", {"timeout": 0.2}))
    assert task.output == {"by": None, "attempt": 2}


def test_data_that_do_not_fit_are_refused_where_they_are_sent(busy: Engine) -> None:
    busy.define("demo.ask", ask)
    task_id = busy.submit("demo.ask")
    busy.wait_for(task_id, "suspended")
    with pytest.raises(SubmissionError, match=r"data\.by: 3 is not accepted, expected what the task waits for"):
        busy.submitter.send_signal(task_id, "approved", {"by": 3}, actor="test")
    assert busy.task(task_id).state == "suspended"


def test_an_early_signal_that_does_not_fit_does_not_wake(busy: Engine) -> None:
    def ask_slowly(given: Payload, context: TaskContext) -> Payload:
        if context.attempt == 1:
            busy.submitter.send_signal(context.task_id, "approved", {"by": 3}, actor="test", signal_id="bad")
        return ask(given, context)

    busy.define("demo.ask", ask_slowly)
    task_id = busy.submit("demo.ask")
    busy.wait_for(task_id, "suspended")
    [refusal] = [event for event in busy.history(task_id) if event.event == "signal_refused"]
    assert refusal.detail is not None
    assert (refusal.detail["signal_id"], refusal.detail["reason"]) == ("bad", 'data.by: 3 is not of type "string"')
    busy.submitter.send_signal(task_id, "approved", {"by": "ann"}, actor="test")
    assert busy.wait_for(task_id).output == {"by": "ann", "attempt": 2}


def test_each_wait_uses_the_next_signal_and_a_timeout_counts_once(busy: Engine) -> None:
    def collect(given: Payload, context: TaskContext) -> Payload:
        got = list(context.last_checkpoint or ())
        while len(got) < 3:
            item = context.suspend(signal("item", Approval, timeout_seconds=0.3), state=got)
            got.append(item and item.by)
            context.checkpoint(got)
        return Payload.model_validate({"got": got, "all": [one.data for one in context.signals("item")]})

    busy.define("demo.collect", collect)
    task_id = busy.submit("demo.collect", delay_seconds=0.2)
    for name in ("ann", "bob"):
        busy.submitter.send_signal(task_id, "item", {"by": name}, actor="test")
    task = busy.wait_for(task_id)
    assert task.output["got"] == ["ann", "bob", None]


def test_a_task_waits_for_its_children(busy: Engine) -> None:
    def parent(given: Payload, context: TaskContext) -> Payload:
        if context.last_checkpoint is None:
            for number in range(5):
                context.submit("demo.child", {"n": number}, key=f"page-{number}")
        outcomes = context.suspend(children(), state="submitted")
        assert outcomes == context.results
        return Payload.model_validate(
            {"attempt": context.attempt, "got": [(one.key, one.state, one.output, one.error) for one in outcomes]}
        )

    def child(given: Payload, context: TaskContext) -> Payload:
        wait_until(lambda: busy.task(parents[0]).state == "suspended")
        number = given.n  # type: ignore[attr-defined]
        if number == 3:
            raise ValueError("three")
        return Payload.model_validate({"square": number**2})

    busy.define("demo.parent", parent)
    busy.define("demo.child", child, retry=RetryPolicy(max_attempts=1))
    parents = [busy.submit("demo.parent", delay_seconds=0.2)]
    task = busy.wait_for(parents[0])
    assert task.state == "completed", task.error
    assert task.output["attempt"] == 2
    got = task.output["got"]
    assert [row[:3] for row in got if row[0] != "page-3"] == [
        [f"page-{n}", "completed", {"square": n * n}] for n in (0, 1, 2, 4)
    ]
    assert got[3][1] == "failed"
    assert got[3][3]["message"] == "ValueError: three"


def test_children_that_ended_suspend_nothing(busy: Engine) -> None:
    def parent(given: Payload, context: TaskContext) -> Payload:
        one = context.submit("demo.child")
        wait_until(lambda: busy.task(one).state == "completed")
        [outcome] = context.suspend(children(one))
        return Payload.model_validate({"attempt": context.attempt, "output": outcome.output})

    busy.define("demo.parent", parent)
    busy.define("demo.child", lambda given, context: Payload.model_validate({"n": 1}))
    assert busy.wait_for(busy.submit("demo.parent")).output == {"attempt": 1, "output": {"n": 1}}


def test_a_provider_says_when(busy: Engine) -> None:
    def call(given: Payload, context: TaskContext) -> Payload:
        if context.attempt <= 3:
            raise RetryAfter(0.1, "429: slow down")
        return Payload.model_validate({"attempt": context.attempt})

    busy.define("demo.call", call, retry=RetryPolicy(max_attempts=1, max_retry_afters=3))
    task = busy.wait_for(busy.submit("demo.call"))
    assert task.output == {"attempt": 4}
    busy.define("demo.limited", call, retry=RetryPolicy(max_attempts=1, max_retry_afters=2))
    task = busy.wait_for(busy.submit("demo.limited"))
    assert task.state == "failed"
    assert task.error is not None
    assert (task.error["class"], task.error["message"]) == ("transient", "429: slow down")
    assert task.attempt == 3


def test_except_exception_does_not_catch_a_suspension(busy: Engine) -> None:
    def nap(given: Payload, context: TaskContext) -> Payload:
        try:
            if context.attempt == 1:
                context.suspend(0, state=1)
        except Exception:
            raise TransientError("caught") from None
        return Payload()

    busy.define("demo.nap", nap)
    task = busy.wait_for(busy.submit("demo.nap"))
    assert (task.state, task.attempt) == ("completed", 2)


def test_many_suspended_tasks_hold_no_slot_and_survive_a_wipe(busy: Engine) -> None:
    busy.define("demo.ask", ask)
    ids = busy.submitter.submit_many({"type": "demo.ask", "input": {}} for _ in range(1_000))
    wait_until(lambda: busy.counts().get("suspended") == 1_000, 60)
    busy.define("demo.quick", lambda given, context: Payload())
    began = time.monotonic()
    assert busy.wait_for(busy.submit("demo.quick")).state == "completed"
    assert time.monotonic() - began < 5
    busy.wipe_redis()
    for task_id in ids[:20]:
        busy.submitter.send_signal(task_id, "approved", {"by": "x"}, actor="test")
    busy.wait_for_all(ids[:20])
    assert busy.counts()["suspended"] == 980


def test_a_suspended_task_can_be_cancelled_and_retried(busy: Engine) -> None:
    busy.define("demo.ask", ask)
    task_id = busy.submit("demo.ask", {"timeout": 3600})
    busy.wait_for(task_id, "suspended")
    busy.submitter.cancel(task_id, actor="test", reason="no")
    assert busy.task(task_id).state == "cancelled"
    busy.submitter.retry(task_id, actor="test")
    busy.wait_for(task_id, "suspended")
    busy.submitter.send_signal(task_id, "approved", {"by": "ann"}, actor="test")
    assert busy.wait_for(task_id).output == {"by": "ann", "attempt": 3}


class Named(BaseModel):
    by: str

    @field_validator("by")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value == "nobody":
            raise ValueError("somebody who works here")
        return value


def test_a_signal_that_only_the_model_refuses_is_passed_over_and_wakes_once(busy: Engine) -> None:
    def wait(given: Payload, context: TaskContext) -> Payload:
        answer = context.suspend(signal("approved", Named))
        return Payload.model_validate({"by": answer and answer.by, "attempt": context.attempt})

    busy.define("demo.wait", wait, retry=RetryPolicy(max_attempts=1))
    task_id = busy.submit("demo.wait")
    busy.wait_for(task_id, "suspended")
    busy.submitter.send_signal(task_id, "approved", {"by": "nobody"}, actor="test", signal_id="first")
    wait_until(lambda: busy.events(task_id).count("suspended") == 2)
    busy.wait_for(task_id, "suspended")
    busy.submitter.send_signal(task_id, "approved", {"by": "ann"}, actor="test")
    assert busy.wait_for(task_id).output == {"by": "ann", "attempt": 3}
    lines = [str((event.detail or {}).get("message")) for event in busy.history(task_id) if event.event == "log"]
    assert set(lines) == {
        "signal approved with the id first is not accepted: "
        "data.by: 'nobody' is not accepted, expected a value that passes its check: somebody who works here"
    }


@pytest.mark.parametrize("timeouts", [(3600, 3600, 3600), (3600, 7200, None)], ids=["same", "longer"])
def test_a_wait_that_begins_again_keeps_its_deadline(busy: Engine, timeouts: tuple[float | None, ...]) -> None:
    def wait(given: Payload, context: TaskContext) -> Payload:
        timeout = timeouts[min(context.attempt, 3) - 1]
        if context.attempt == 3:
            context.suspend(children())  # there are none, so it goes on at once
        found = [context.suspend(signal("approved", Named, timeout_seconds=timeout)) for _ in range(2)]
        return Payload.model_validate({"by": [one and one.by for one in found]})

    busy.define("demo.wait", wait)
    task_id = busy.submit("demo.wait")
    deadline = busy.wait_for(task_id, "suspended").run_at
    assert deadline is not None
    for number in (2, 3):
        busy.submitter.send_signal(task_id, "approved", {"by": "nobody"}, actor="test")
        wait_until(lambda expected=number: busy.events(task_id).count("suspended") == expected)
        assert busy.wait_for(task_id, "suspended").run_at == deadline
    busy.submitter.send_signal(task_id, "approved", {"by": "ann"}, actor="test")
    wait_until(lambda: busy.events(task_id).count("suspended") == 4)
    other = busy.wait_for(task_id, "suspended").run_at
    assert other is None if timeouts[2] is None else other is not None and other > deadline
    busy.submitter.send_signal(task_id, "approved", {"by": "ben"}, actor="test")
    assert busy.wait_for(task_id).output == {"by": ["ann", "ben"]}


def test_a_wait_that_begins_again_may_be_shorter(busy: Engine) -> None:
    def wait(given: Payload, context: TaskContext) -> Payload:
        timeout = 3600 if context.attempt == 1 else 0.2
        answer = context.suspend(signal("approved", Named, timeout_seconds=timeout))
        return Payload.model_validate({"by": answer and answer.by})

    busy.define("demo.wait", wait)
    task_id = busy.submit("demo.wait")
    busy.wait_for(task_id, "suspended")
    busy.submitter.send_signal(task_id, "approved", {"by": "nobody"}, actor="test")
    assert busy.wait_for(task_id).output == {"by": None}


def test_a_deadline_stays_while_the_task_waits_for_something_else(busy: Engine) -> None:
    def wait(given: Payload, context: TaskContext) -> Payload:
        if context.attempt == 2:
            context.suspend(signal("other", Approval, timeout_seconds=0.1))
        if context.attempt == 3:
            raise RetryAfter(0.05, "429: slow down")
        if context.attempt == 4:
            context.suspend(datetime.now(UTC) + timedelta(milliseconds=50))
        context.suspend(signal("approved", Named, timeout_seconds=3600))
        return Payload()

    busy.define("demo.wait", wait)
    task_id = busy.submit("demo.wait")
    deadline = busy.wait_for(task_id, "suspended").run_at
    busy.submitter.send_signal(task_id, "approved", {"by": "nobody"}, actor="test")
    wait_until(lambda: busy.events(task_id).count("suspended") == 5)
    assert busy.wait_for(task_id, "suspended").run_at == deadline


def test_deadlines_are_forgotten_once_a_checkpoint_was_saved_after_their_waits(busy: Engine) -> None:
    def wait(given: Payload, context: TaskContext) -> Payload:
        for number in range(context.last_checkpoint or 0, 3):
            context.suspend(signal(f"item-{number}", Approval, timeout_seconds=3600))
            context.checkpoint(number + 1)
        context.suspend(60.0, state=3)
        return Payload()

    busy.define("demo.wait", wait)
    task_id = busy.submit("demo.wait")
    for number in range(3):
        wait_until(lambda expected=number + 1: busy.events(task_id).count("suspended") == expected)
        assert list((busy.task(task_id).suspension or {})["deadlines"]) == [f"item-{number}"]
        busy.submitter.send_signal(task_id, f"item-{number}", {"by": "ann"}, actor="test")
    wait_until(lambda: busy.events(task_id).count("suspended") == 4)
    assert busy.task(task_id).suspension == {"kind": "time"}
