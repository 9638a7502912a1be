"""Quarantines what the tick can't process, and settles its attempt, so that the tick goes on."""

from __future__ import annotations

import orjson

from taskyard.core.errors import ErrorClass
from taskyard.core.payload.storable_text import storable
from taskyard.core.postgres.store.tick import Settlement
from taskyard.core.redis.quarantine import Odd
from taskyard.core.scheduling.retry import fingerprint
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.decisions import error_json
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.outcomes import Failed

# Exceptions that foreign code may raise, including an exit: it fails only the call.
ESCAPES = (Exception, SystemExit, KeyboardInterrupt)
MAX_AUDIT_EVENTS = 100  # events of one tick
MAX_TEXT_BYTES = 1_000  # of a reason


def reason_of(error: BaseException) -> str:
    """Returns one line that describes the error."""
    lines = str(error).strip().splitlines()
    name = type(error).__name__
    return f"{name}: {lines[0]}"[:MAX_TEXT_BYTES] if lines else name


def settle(leader_state: LeaderState, claim: Claim, reason: str, batch: Batch) -> None:
    """Ends a claim for good, without its type's retry policy, which may be the cause.

    Removes what the batch already has for this attempt.
    """
    leader_state.close(claim)
    batch.completions = [c for c in batch.completions if c.id != claim.id]
    batch.settlements = [s for s in batch.settlements if s.id != claim.id]
    batch.suspensions = [s for s in batch.suspensions if s.id != claim.id]
    message = f"its agent's report could not be processed: {reason}"
    mark = fingerprint(claim.row.type, ErrorClass.UNPROCESSABLE, message, "")
    detail = {"class": ErrorClass.UNPROCESSABLE, "message": message, "fingerprint": mark, "reason": "it is quarantined"}
    batch.settlements.append(
        Settlement(
            claim.id,
            claim.attempt,
            to_state="failed",
            event="failed",
            error=error_json(ErrorClass.UNPROCESSABLE, message, None, mark),
            detail=orjson.dumps(detail).decode(),
            started_at=claim.started_at,
        )
    )
    batch.failed.append(Failed(claim.row.type, claim.agent_id, ErrorClass.UNPROCESSABLE, False, None, None))


def settle_escaped(leader_state: LeaderState, claim: Claim, error: BaseException, batch: Batch) -> None:
    """Ends a claim alike if our own decision about it raised an exception."""
    reason = reason_of(error)
    batch.odd.append(Odd("row", "tasks", reason, b"", claim.id, claim.attempt, claim.agent_id))
    settle(leader_state, claim, reason, batch)


def audit(odd: list[Odd], batch: Batch) -> None:
    """Records quarantined items: the first of many in one tick, and the number of the others."""
    for item in odd[:MAX_AUDIT_EVENTS]:
        detail = {"source": item.source, "place": item.place, "reason": item.reason, "size_bytes": len(item.text)}
        batch.logs.append(_event(item.task_id, item.attempt, item.agent_id, detail))
    if len(odd) > MAX_AUDIT_EVENTS:
        batch.logs.append(_event(None, None, None, {"source": "more", "count": len(odd) - MAX_AUDIT_EVENTS}))


def _event(
    task_id: str | None, attempt: int | None, agent_id: str | None, detail: dict[str, object]
) -> tuple[str | None, str, int | None, str, str, str]:
    printable = {
        name: storable(value, MAX_TEXT_BYTES) if isinstance(value, str) else value for name, value in detail.items()
    }
    agent = storable(agent_id or "", MAX_TEXT_BYTES)
    return (task_id, "quarantined", attempt, "dispatcher", agent, orjson.dumps(printable).decode())
