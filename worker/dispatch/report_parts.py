"""Checks who may send a report, and makes its parts storable."""

from __future__ import annotations

from typing import Any

import orjson
import structlog

from taskyard.core.ids import agent_name_of
from taskyard.core.payload.storable_text import MAX_MESSAGE_BYTES, MAX_TRACEBACK_BYTES, storable
from taskyard.core.protocol import Failure, Register, Report, encode
from taskyard.core.redis.decoding import Unreadable
from taskyard.core.redis.quarantine import Odd
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.kept_reports import KeptReports
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.unprocessable import reason_of

MAX_REASON_BYTES = 500
LATEST_SECONDS = 253_402_300_799.0  # the end of the year 9999

log = structlog.get_logger(__name__)


def claim_of_another(report: Report | Unreadable, sender: str, leader_state: LeaderState) -> str:
    """Returns why an agent may not send a report in its own results; empty if it speaks for itself.

    It has to name a boot of its own, and attempts that no other agent has.
    """
    boots = [boot for boot in (getattr(report, "agent_id", ""), getattr(report, "holder", "")) if boot]
    if isinstance(report, Register):
        boots.append(report.agent.id)
    if not boots and not isinstance(report, Unreadable):
        return f"agent {sender} sent it and names no boot of its own"
    if any(agent_name_of(boot) != sender for boot in boots):
        return f"agent {sender} sent it and speaks for another one"
    pairs = getattr(report, "pairs", None)
    for task_id, attempt in pairs if pairs is not None else [_pair_of(report)]:
        claim = leader_state.find(task_id, attempt)
        if claim is not None and agent_name_of(claim.agent_id) != sender:
            return f"agent {sender} sent it about an attempt of another one"
    return ""


def _pair_of(report: Report | Unreadable) -> tuple[str, int]:
    return getattr(report, "task_id", None) or "", getattr(report, "attempt", None) or 0


def storable_failure(failure: Failure) -> Failure:
    """Returns a failure whose texts PostgreSQL can store, and pages can show in numbers."""
    traceback = failure.traceback and storable(failure.traceback, MAX_TRACEBACK_BYTES, keep_end=True)
    return Failure(failure.error_class, storable(failure.message, MAX_MESSAGE_BYTES), traceback)


def storable_time(at: float) -> float:
    """Returns an agent's time within PostgreSQL's range: its clock may be wrong."""
    return at if 0.0 <= at <= LATEST_SECONDS else min(max(at, 0.0), LATEST_SECONDS)


def escaped(report: Report | Unreadable, error: BaseException) -> Unreadable:
    """Returns a report whose processing raised an exception, as one that can't be processed."""
    if isinstance(report, Unreadable):
        return report
    tag, names = str(type(report).__struct_config__.tag), ("task_id", "attempt", "agent_id", "request_id")
    ids: dict[str, Any] = {name: getattr(report, name, None) for name in names}
    return Unreadable(encode(report), reason_of(error), tag, **ids, tag=tag)


def set_forged_aside(entry: bytes, report: Report | Unreadable, sender: str, problem: str, batch: Batch) -> None:
    """Quarantines what an agent has no right to report, which has no other effect."""
    text = report.text if isinstance(report, Unreadable) else encode(report)
    log.error("report.forged", entry=entry.decode(), sender=sender, reason=problem)
    batch.odd.append(Odd("report", f"results {entry.decode()}", problem, text, agent_id=sender))


def keep(kept: KeptReports, report: Unreadable, sender: str | None, entry: bytes, batch: Batch) -> bool:
    """Keeps what a leader of a newer version may understand; returns False for everything else."""
    version = kept.version_of(report, sender)
    if not version:
        return False
    new = kept.keep(report, version, sender, entry)
    if new is not None:
        batch.kept.append(new)
        task_id, attempt = new.pairs[0] if new.pairs else (None, None)
        detail = orjson.dumps({"kind": new.kind, "version": version, "reason": storable(new.reason, MAX_REASON_BYTES)})
        agent = storable(new.agent_id, MAX_REASON_BYTES)
        batch.logs.append((task_id, "report_kept", attempt, "dispatcher", agent, detail.decode()))
    return True
