"""Records attempt outcomes for the monitor and the circuit breakers."""

from __future__ import annotations

import orjson
import structlog

from taskyard.core.message_templates import identity
from taskyard.core.scheduling.breaker import PROBE_SUCCEEDED, Breaker
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.outcomes import Failed

log = structlog.get_logger(__name__)


def note_failure(
    leader_state: LeaderState,
    batch: Batch,
    claim: Claim,
    error_class: str,
    now: float,
    *,
    will_retry: bool,
    started_at: float | None,
    run_seconds: float | None = None,
) -> None:
    """Records that a claim's attempt failed. `now` is monotonic, `started_at` epoch seconds."""
    wait_seconds = None if started_at is None else max(0.0, started_at - claim.ready)
    batch.failed.append(Failed(claim.row.type, claim.agent_id, error_class, will_retry, wait_seconds, run_seconds))
    if run_seconds is not None:
        leader_state.durations.runs.add((claim.id, claim.agent_id, run_seconds, error_class))
    note_for_breaker(leader_state, batch, claim, error_class, now)


def note_for_breaker(
    leader_state: LeaderState, batch: Batch, claim: Claim, error_class: str | None, now: float
) -> None:
    """Records an outcome (None: success) for the agent's breaker, with an event if that opened or closed it."""
    breaker = leader_state.note_outcome(claim, error_class, now)
    if breaker is not None:
        _tell(leader_state, batch, claim, breaker)


def _tell(leader_state: LeaderState, batch: Batch, claim: Claim, breaker: Breaker) -> None:
    is_open = (breaker.agent, breaker.type) in leader_state.breakers.open
    event = "breaker_opened" if is_open else "breaker_closed"
    reason = breaker.reason if is_open else PROBE_SUCCEEDED()
    log.warning(f"agent.{event}", agent=breaker.agent, type=breaker.type, reason=str(reason))
    reason_id, parameters = identity(reason)
    detail = {"type": breaker.type, "reason": reason, "reason_id": reason_id, "reason_parameters": parameters}
    batch.logs.append((None, event, None, "dispatcher", claim.agent_id, orjson.dumps(detail).decode()))
