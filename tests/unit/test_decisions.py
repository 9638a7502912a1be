"""What a failed attempt means for its task."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import NULL, Done, Failure
from taskyard.core.scheduling.retry import MAX_REFUNDS
from taskyard.core.task_types.registry import Registry, RetryPolicy
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.decisions import DEFAULT_POLICY, error_json, hand_back, judge, policy_of
from tests.unit.leader_state_support import claimed, task_id

POLICY = RetryPolicy(max_attempts=3, backoff_seconds=4.0, max_backoff_seconds=60.0)


def claim(attempt: int = 1, refunded: int = 0, refunds: int = 0, started_at: float | None = None) -> Claim:
    claim = Claim(claimed(1, attempt)._replace(refunded=refunded, refunds=refunds), 1.0, 0.0)
    claim.started_at = started_at
    return claim


def done(failure: Failure) -> Done:
    return Done(task_id(1), 1, NULL, failure, 500.0, 2.5)


def detail(text: str | None) -> dict[str, Any]:
    assert text is not None
    return orjson.loads(text)  # type: ignore[no-any-return]


def test_a_retryable_failure_is_scheduled() -> None:
    failure = Failure("transient", "no route", "Traceback …")
    settlement = judge(claim(), failure, POLICY, 0.5, done=done(failure))
    assert (settlement.to_state, settlement.event, settlement.delay_seconds) == ("scheduled", "attempt_failed", 2.0)
    assert (settlement.id, settlement.attempt, settlement.refund) == (task_id(1), 1, 0)
    assert settlement.agent_id is None  # the report itself is the proof
    assert settlement.started_at == 500.0
    error = detail(settlement.error)
    assert (error["class"], error["message"], error["traceback"]) == ("transient", "no route", "Traceback …")
    told = detail(settlement.detail)
    assert (settlement.run_seconds, told["delay_seconds"]) == (2.5, 2.0)
    assert told["fingerprint"] == error["fingerprint"]


def test_no_delay_is_pending_at_once() -> None:
    settlement = judge(claim(), Failure("transient", "x"), POLICY, 0.0)
    assert (settlement.to_state, settlement.delay_seconds) == ("pending", 0.0)


@pytest.mark.parametrize(
    ("attempt", "refunded", "to_state"),
    [(2, 0, "scheduled"), (3, 0, "failed"), (3, 1, "scheduled"), (13, 10, "failed")],
)
def test_the_budget_is_attempts_less_refunds(attempt: int, refunded: int, to_state: str) -> None:
    assert judge(claim(attempt, refunded), Failure("crashed", "gone"), POLICY, 0.5).to_state == to_state


def test_a_failure_that_is_not_worth_it() -> None:
    settlement = judge(claim(), Failure("permanent", "no use"), POLICY, 0.5)
    assert (settlement.to_state, settlement.event) == ("failed", "failed")
    assert settlement.delay_seconds is None
    assert "delay_seconds" not in detail(settlement.detail)
    assert "traceback" not in detail(settlement.error)


def test_without_a_report_the_agent_guards() -> None:
    settlement = judge(claim(started_at=77.0), Failure("timeout", "too long"), POLICY, 0.5)
    assert settlement.agent_id == "coder-1:a"
    assert settlement.started_at == 77.0
    assert settlement.run_seconds is None


def test_a_class_from_elsewhere_is_worth_another_attempt() -> None:
    settlement = judge(claim(), Failure("solar_flare", "x"), POLICY, 0.5)
    assert settlement.to_state == "scheduled"
    assert detail(settlement.error)["class"] == ErrorClass.TRANSIENT


def test_handing_back_costs_nothing() -> None:
    settlement = hand_back(claim(attempt=3), POLICY, "its agent drains", 0.5)
    assert (settlement.to_state, settlement.event, settlement.refund) == ("pending", "handed_back", 1)
    assert settlement.error is None
    assert detail(settlement.detail) == {"reason": "its agent drains"}
    assert settlement.agent_id == "coder-1:a"


@pytest.mark.parametrize(("attempt", "to_state"), [(11, "scheduled"), (13, "failed")])
def test_handing_back_too_often_is_charged(attempt: int, to_state: str) -> None:
    settlement = hand_back(claim(attempt, MAX_REFUNDS, MAX_REFUNDS), POLICY, "its agent was lost", 0.5)
    assert (settlement.to_state, settlement.refund) == (to_state, 0)
    assert detail(settlement.error)["class"] == ErrorClass.AGENT_LOST


def test_the_policy_of_an_unknown_type() -> None:
    assert policy_of(Registry(), "elsewhere.only") is DEFAULT_POLICY


def test_an_error_without_a_traceback() -> None:
    assert orjson.loads(error_json("timeout", "too long", None, "abc")) == {
        "class": "timeout",
        "message": "too long",
        "fingerprint": "abc",
    }
