"""Decides on the report of an attempt that suspends its task: suspended, or failed if that can't be."""

from __future__ import annotations

import random

from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import Failure, Suspended, UntilTime
from taskyard.core.submission.validate import check_output
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.decisions import judge, known_class
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.outcome_events import note_failure, note_for_breaker
from taskyard.worker.dispatch.report_parts import storable_failure, storable_time
from taskyard.worker.dispatch.suspending import suspension_of


def take_suspended(
    leader_state: LeaderState,
    claim: Claim,
    report: Suspended,
    policy: RetryPolicy,
    state_limit_bytes: int,
    now: float,
    batch: Batch,
) -> None:
    """Closes a claim whose attempt suspends its task; raises ValueError for an invalid report.

    `now` is monotonic seconds.
    """
    report.started_at = storable_time(report.started_at)
    problem = check_output(bytes(report.state), state_limit_bytes) if report.has_state else None
    if problem is not None:
        failure = Failure(ErrorClass.UNSTORABLE, f"suspend: {problem}")
        _fail(leader_state, claim, report, failure, policy, now, batch)
        return
    if report.failure is not None:
        report.failure = storable_failure(report.failure)
        if not isinstance(report.until, UntilTime):
            raise ValueError("a failure, and not until a time")
        if claim.row.retry_afters >= policy.max_retry_afters:
            _fail(leader_state, claim, report, report.failure, policy, now, batch, least_seconds=report.until.seconds)
            return
    batch.suspensions.append(suspension_of(claim, report))
    leader_state.close(claim)
    leader_state.durations.note(claim.row.type, report.run_seconds)
    if leader_state.breakers.watches(claim.row.type):
        note_for_breaker(leader_state, batch, claim, None, now)


def _fail(
    leader_state: LeaderState,
    claim: Claim,
    report: Suspended,
    failure: Failure,
    policy: RetryPolicy,
    now: float,
    batch: Batch,
    *,
    least_seconds: float = 0.0,
) -> None:
    """Settles the attempt as one that failed; the next one, if there is one, is not before `least_seconds`."""
    settlement = judge(claim, failure, policy, random.random(), done=report)
    will_retry = not settlement.ends_task
    if will_retry and least_seconds > (settlement.delay_seconds or 0.0):
        settlement.to_state, settlement.delay_seconds = "scheduled", least_seconds
    leader_state.close(claim)
    batch.settlements.append(settlement)
    note_failure(
        leader_state,
        batch,
        claim,
        known_class(failure.error_class),
        now,
        will_retry=will_retry,
        started_at=report.started_at,
        run_seconds=report.run_seconds,
    )
