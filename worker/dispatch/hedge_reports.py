"""Reads what agents report of second attempts: the first one of both to succeed counts (P22)."""

from __future__ import annotations

from collections.abc import Callable

from taskyard.core.payload.storable_text import MAX_MESSAGE_BYTES, storable
from taskyard.core.protocol import Done, Released, Report, Suspended
from taskyard.core.redis.decoding import Unreadable
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.hedges import Hedge
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.output_checks import OutputChecks
from taskyard.worker.dispatch.report_parts import storable_time

SUSPENDS = "it suspends its task, which only the attempt beside it may do"
HANDED_BACK = "its agent handed it back"


class HedgeReports:
    """Takes the ends of second attempts out of the reports. All else that they report is for nobody."""

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
        """Returns True for the end of a second attempt, which it handles."""
        hedges = self._leader_state.hedges
        if isinstance(report, Done | Suspended):
            hedge = hedges.find(report.task_id, report.attempt)
            if hedge is None or hedge.agent_id != report.agent_id:
                return False
            if isinstance(report, Done):
                self._done(hedge, report, entry, sender, batch)
            else:
                hedges.drop(hedge, SUSPENDS)
            return True
        if isinstance(report, Released):
            for pair in report.pairs:
                hedge = hedges.find(*pair)
                if hedge is not None and hedge.agent_id == report.agent_id:
                    hedges.drop(hedge, HANDED_BACK)
        return False

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
