"""Handles attempts that an agent can't run, because it does not know the type or its model refuses the input (P16)."""

from __future__ import annotations

import random

import structlog

from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import Failure, Released, is_storable
from taskyard.core.scheduling.retry import MAX_REFUNDS
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.decisions import hand_back, return_unplaced, send_elsewhere
from taskyard.worker.dispatch.leader_state import LeaderState

FREE_PAUSE_SECONDS = 5.0  # and longer: what goes back unstarted costs nothing

log = structlog.get_logger(__name__)


def take_back(leader_state: LeaderState, report: Released, task_type: str, batch: Batch) -> None:
    """Bars a type that the boot can't run: it gets none of it again, and others can take its tasks."""
    why = _reason_of(report)
    log.warning("agent.cannot_run", agent=report.agent_id, type=task_type, reason=why)
    leader_state.bar_type(report.agent_id, task_type, why)
    for task_id, attempt in report.pairs:
        claim = leader_state.find(task_id, attempt)
        if claim is not None and claim.agent_id == report.agent_id:
            reason = f"its agent can't run it: {why}"
            batch.settlements.append(send_elsewhere(claim, reason, random.random(), has_takers=True))
            leader_state.close(claim)


def take_released(
    leader_state: LeaderState, report: Released, claim: Claim, policy: RetryPolicy, now: float, batch: Batch
) -> None:
    """Returns an attempt that its agent hands back, at no cost as a rule. `now` is monotonic seconds.

    The caller closes the claim then.
    """
    if report.pause_seconds:
        _take_hindered(leader_state, report, claim, now, batch)
    elif report.reason and claim.started is None:
        batch.settlements.append(return_unplaced(claim, _reason_of(report)))
    else:
        batch.settlements.append(hand_back(claim, policy, "its agent handed it back", random.random()))


def _take_hindered(leader_state: LeaderState, report: Released, claim: Claim, now: float, batch: Batch) -> None:
    """Pauses a type for a boot that can't run its tasks now; others can take them.

    What has not started was never in danger, so it waits for whoever can take it, and that is no refund of those that
    have a limit, if the pause is long: or else a task could go round without end, and fast.
    """
    why = _reason_of(report)
    log.warning("agent.hindered", agent=report.agent_id, task=claim.id, type=claim.row.type, reason=why)
    has_takers = leader_state.pause_type(report.agent_id, claim.row.type, why, now + report.pause_seconds)
    if claim.started is None and report.pause_seconds >= FREE_PAUSE_SECONDS:
        batch.settlements.append(return_unplaced(claim, why))
    else:
        batch.settlements.append(send_elsewhere(claim, why, random.random(), has_takers=has_takers))


def _reason_of(report: Released) -> str:
    return report.reason if is_storable(report.reason) else "no storable reason was given"


def is_sent_elsewhere(leader_state: LeaderState, claim: Claim, failure: Failure, now: float, batch: Batch) -> bool:
    """Returns whether the task goes back because another version of the model refused the input.

    If all agents have the same version, or after the last refund, a refused input is a failure. `now` is monotonic
    seconds. The caller closes the claim then.
    """
    if failure.error_class != ErrorClass.INVALID_INPUT or claim.row.refunds >= MAX_REFUNDS:
        return False
    name, agent_id = claim.row.type, claim.agent_id
    if not leader_state.fleet.differs(agent_id, name):
        return False
    why = f"its version {leader_state.fleet.version_at(agent_id, name)} of {name} refuses the input: {failure.message}"
    has_takers = leader_state.shun_version(agent_id, name, why, now)
    log.warning("agent.cannot_run", agent=agent_id, type=name, reason=why)
    batch.settlements.append(send_elsewhere(claim, why, random.random(), has_takers=has_takers))
    return True
