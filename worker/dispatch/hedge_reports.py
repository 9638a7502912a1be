"""Reads what agents report of second attempts: the first one of both to succeed counts (P22)."""

from __future__ import annotations

from collections.abc import Callable

from taskyard.core.errors import ErrorClass
from taskyard.core.payload.storable_text import MAX_MESSAGE_BYTES, storable
from taskyard.core.protocol import Checkpoint, Done, Log, Pair, Released, Reply, Report, Started, Suspended
from taskyard.core.redis.decoding import Unreadable
from taskyard.core.scheduling.hedging import HANDED_BACK, SUSPENDS, failed_reason
from taskyard.core.submission.validate import check_output
from taskyard.worker.dispatch.attempt_requests import add_line
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.decisions import known_class
from taskyard.worker.dispatch.hedges import Hedge
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.output_checks import OutputChecks
from taskyard.worker.dispatch.report_parts import storable_time


class HedgeReports:
    """Takes what second attempts say out of the reports: starts, log lines, ends. All else is for nobody."""

    def __init__(
        self,
        leader_state: LeaderState,
        outputs: OutputChecks,
        state_limit_bytes: int,
        completed: Callable[[Claim, Done, str, Batch], None],
    ) -> None:
        """`completed(claim, done, output, batch)` adds a success to a batch."""
        self._leader_state = leader_state
        self._outputs = outputs
        self._state_limit_bytes = state_limit_bytes
        self._completed = completed

    def take(self, report: Report | Unreadable, entry: bytes, sender: str | None, now: float, batch: Batch) -> bool:
        """Returns True for what it handled; a report that is also about other attempts is left to others as well."""
        if isinstance(report, Started | Released):
            for pair in report.pairs:
                self._started_or_returned(pair, report, now)
            return False
        if isinstance(report, Checkpoint):
            return self._ignored_checkpoint(report, batch)
        if not isinstance(report, Done | Suspended | Log):
            return False
        hedge = self._find((report.task_id, report.attempt), report.agent_id)
        if hedge is None:
            return isinstance(report, Done) and _is_cancelled(report) and self._expects_end(report)
        if isinstance(report, Done):
            self._done(hedge, report, entry, sender, batch)
        elif isinstance(report, Suspended):
            self._leader_state.hedges.drop(hedge, SUSPENDS)
        else:
            add_line(report, hedge, batch)
        return True

    def _find(self, pair: Pair, agent_id: str) -> Hedge | None:
        """Returns a second attempt, if it is reported by who has it."""
        hedge = self._leader_state.hedges.find(*pair)
        return hedge if hedge is not None and hedge.agent_id == agent_id else None

    def _expects_end(self, report: Done) -> bool:
        return self._leader_state.hedges.expects_end((report.task_id, report.attempt))

    def _ignored_checkpoint(self, report: Checkpoint, batch: Batch) -> bool:
        """Answers as if it were saved: only that of the first attempt is."""
        hedge = self._find((report.task_id, report.attempt), report.holder or report.agent_id)
        if hedge is None:
            return False
        problem = check_output(bytes(report.state), self._state_limit_bytes)
        reply = Reply(report.request_id, problem is None, problem and f"checkpoint: {problem}")
        batch.order(report.agent_id, reply)
        return True

    def _started_or_returned(self, pair: Pair, report: Started | Released, now: float) -> None:
        hedge = self._find(pair, report.agent_id)
        if hedge is None:
            return
        if isinstance(report, Started):
            hedge.started, hedge.started_at = now, storable_time(report.at)
        else:
            self._leader_state.hedges.drop(hedge, HANDED_BACK)

    def _done(self, hedge: Hedge, done: Done, entry: bytes, sender: str | None, batch: Batch) -> None:
        hedges, failure = self._leader_state.hedges, done.failure
        output = bytes(done.output).decode() if failure is None else ""
        if failure is None:
            failure = self._outputs.refusal(output, hedge.row.type, hedge.agent_id, sender)
        if failure is not None:
            reason = failed_reason(known_class(failure.error_class), failure.message)
            hedges.drop(hedge, storable(reason, MAX_MESSAGE_BYTES))
            return
        beside = hedge.first
        hedges.take(hedge)
        self._leader_state.close(beside)
        # since when the task runs, of which the time that it waited is made
        done.started_at = beside.started_at or storable_time(done.started_at)
        batch.reporters[hedge.id] = hedge.agent_id
        batch.sources[hedge.id] = entry
        self._completed(hedge, done, output, batch)


def _is_cancelled(done: Done) -> bool:
    return done.failure is not None and done.failure.error_class == ErrorClass.CANCELLED
