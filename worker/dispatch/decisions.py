"""Decides the effect of a report on a task, with pure functions of the report, the claim and a random draw."""

from __future__ import annotations

import orjson

from taskyard.core.errors import ErrorClass, UnknownTaskType
from taskyard.core.postgres.store.tick import Settlement
from taskyard.core.protocol import AttemptEnd, Failure
from taskyard.core.scheduling.retry import decide, fingerprint
from taskyard.core.task_types.registry import Registry
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.worker.dispatch.claim import Claim

DEFAULT_POLICY = RetryPolicy()


def policy_of(registry: Registry, task_type: str) -> RetryPolicy:
    """Returns the type's retry policy; the default one for an unknown type."""
    try:
        return registry.get(task_type).retry
    except UnknownTaskType:
        return DEFAULT_POLICY


def judge(
    claim: Claim,
    failure: Failure,
    policy: RetryPolicy,
    draw: float,
    *,
    done: AttemptEnd | None = None,
    may_refund: bool = False,
) -> Settlement:
    """Decides on a failed attempt: another one after a delay, or the end.

    `draw` in [0, 1) is the jitter's randomness. With `may_refund` a lost agent does not cost the task an attempt.
    """
    error_class = known_class(failure.error_class)
    decision = decide(
        policy,
        error_class,
        claim.attempt,
        claim.row.refunded,
        claim.row.max_attempts,
        draw,
        refunds=claim.row.refunds,
        may_refund=may_refund,
    )
    mark = fingerprint(claim.row.type, error_class, failure.message, failure.traceback or "")
    error = error_json(error_class, failure.message, failure.traceback, mark)
    detail: dict[str, str | float] = {
        "class": error_class,
        "message": failure.message,
        "fingerprint": mark,
        "reason": decision.reason,
    }
    if decision.retry:
        detail["delay_seconds"] = round(decision.delay_seconds, 3)
    return Settlement(
        claim.id,
        claim.attempt,
        to_state=("scheduled" if decision.delay_seconds > 0 else "pending") if decision.retry else "failed",
        event="attempt_failed" if decision.retry else "failed",
        agent_id=None if done is not None else claim.agent_id,
        error=error,
        detail=orjson.dumps(detail).decode(),
        delay_seconds=decision.delay_seconds if decision.retry else None,
        refund=int(decision.refund),
        counted_refund=int(decision.refund),
        started_at=done.started_at if done is not None else claim.started_at,
        run_seconds=done.run_seconds if done is not None else None,
        cpu_seconds=done.cpu_seconds if done is not None else None,
        peak_memory_bytes=done.peak_memory_bytes if done is not None else None,
        has_second=claim.second is not None,
    )


def hand_back(claim: Claim, policy: RetryPolicy, reason: str, draw: float) -> Settlement:
    """Returns a claim that its agent no longer has and did not lose by dying, at no cost.

    A task that came back too often this way is charged as if its agent had been lost.
    """
    settlement = judge(claim, Failure(ErrorClass.AGENT_LOST, reason), policy, draw, may_refund=True)
    if settlement.refund:
        settlement.event = "handed_back"
        settlement.error = None
        settlement.detail = orjson.dumps({"reason": reason}).decode()
    return settlement


def send_elsewhere(claim: Claim, reason: str, draw: float, *, has_takers: bool) -> Settlement:
    """Returns a claim whose agent can't run this version of its type, at no cost, at once if others can take it.

    Otherwise it waits, longer each time, so that a deployment has time to bring an agent that can.
    """
    settlement = hand_back(claim, DEFAULT_POLICY, reason, draw)
    if settlement.refund and not has_takers:
        settlement.to_state, settlement.delay_seconds = "scheduled", 2.0**claim.row.refunds
    return settlement


def return_unplaced(claim: Claim, reason: str) -> Settlement:
    """Returns a claim for which its agent got no place and which it did not start: at no cost, however often."""
    return Settlement(
        claim.id,
        claim.attempt,
        to_state="pending",
        event="handed_back",
        agent_id=claim.agent_id,
        detail=orjson.dumps({"reason": reason}).decode(),
        refund=1,
    )


def error_json(error_class: str, message: str, traceback: str | None, mark: str) -> str:
    """Returns a task's `error` column as JSON text."""
    error = {"class": str(error_class), "message": message, "fingerprint": mark}
    if traceback:
        error["traceback"] = traceback
    return orjson.dumps(error).decode()


def known_class(name: str) -> ErrorClass:
    """Returns the error class of this name; transient for an unknown name."""
    try:
        return ErrorClass(name)
    except ValueError:
        return ErrorClass.TRANSIENT
