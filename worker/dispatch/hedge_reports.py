"""Reads what agents report of second attempts: the first one of both to succeed counts (P22)."""

from __future__ import annotations

from collections.abc import Callable

from taskyard.core.payload.storable_text import MAX_MESSAGE_BYTES, storable
from taskyard.core.protocol import Done, Log, Pair, Released, Report, Started, Suspended
from taskyard.core.redis.decoding import Unreadable
from taskyard.worker.dispatch.attempt_requests import add_line
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.hedges import Hedge
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.output_checks import OutputChecks
from taskyard.worker.dispatch.report_parts import storable_time

SUSPENDS = "it suspends its task, which only the attempt beside it may do"
HANDED_BACK = "its agent handed it back"


class HedgeReports:
    """Takes what second attempts say out of the reports: starts, log lines, ends. All else is for nobody."""

    def __init__(
        self,
        leader_state: LeaderState,
        outputs: OutputChecks,
        completed: Callable[[Claim, Done, str, Batch], None],
    ) -> None:
        """`completed(claim, done, output, batch)` adds a success to a batch."""
        self._leader_state = leader_state
        self._outputs = outputs
        self._completed = completed

    def take(self, report: Report | Unreadable, entry: bytes, sender: str | None, batch: Batch) -> bool:
        """Returns True for what it handled; a report that is also about other attempts is left to others as well."""
        if isinstance(report, Started | Released):
            for pair in report.pairs:
                self._started_or_returned(pair, report)
            return False
        if not isinstance(report, Done | Suspended | Log):
            return False
        hedge = self._find((report.task_id, report.attempt), report.agent_id)
        if hedge is None:
            return False
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

    def _started_or_returned(self, pair: Pair, report: Started | Released) -> None:
        hedge = self._find(pair, report.agent_id)
        if hedge is None:
            return
        if isinstance(report, Started):
            hedge.started_at = storable_time(report.at)
        else:
            self._leader_state.hedges.drop(hedge, HANDED_BACK)

    def _done(self, hedge: Hedge, done: Done, entry: bytes, sender: str | None, batch: Batch) -> None:
        hedges, failure = self._leader_state.hedges, done.failure
        output = bytes(done.output).decode() if failure is None else ""
        if failure is None:
            failure = self._outputs.refusal(output, hedge.row.type, hedge.agent_id, sender)
        if failure is not None:
            text = f"it failed ({failure.error_class}): {failure.message}"
            hedges.drop(hedge, storable(text, MAX_MESSAGE_BYTES))
            return
        beside = self._leader_state.claims[hedge.id]
        hedges.take(hedge)
        self._leader_state.close(beside)
        hedge.ready = beside.ready
        # since when the task runs, of which the time that it waited is made
        done.started_at = beside.started_at or storable_time(done.started_at)
        batch.reporters[hedge.id] = hedge.agent_id
        batch.sources[hedge.id] = entry
        self._completed(hedge, done, output, batch)
