"""Turns agents' reports into the tick's decisions: one method per kind of report."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import structlog

from taskyard.core.clock import Clock
from taskyard.core.learning.prediction import Predict
from taskyard.core.postgres.store.tick import Completion
from taskyard.core.protocol import (
    AskChildren,
    AttemptEnd,
    Checkpoint,
    Deregister,
    Done,
    Log,
    Progress,
    Register,
    Released,
    Reply,
    Report,
    Request,
    Started,
    SubmitChild,
    SubmitWorkflow,
    Suspended,
)
from taskyard.core.redis.decoding import Unreadable, read_reports
from taskyard.core.redis.quarantine import Odd
from taskyard.core.redis.results import sender_of
from taskyard.core.submission.validate import Limits
from taskyard.worker.dispatch.agent_reports import AgentReports
from taskyard.worker.dispatch.attempt_requests import AttemptRequests
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.child_workflows import ChildWorkflows
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.claim_holders import ClaimHolders
from taskyard.worker.dispatch.decisions import judge, known_class, policy_of
from taskyard.worker.dispatch.fleet_types import FleetTypes
from taskyard.worker.dispatch.hedge_reports import HedgeReports
from taskyard.worker.dispatch.held_starts import HeldStart, HeldStarts
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.outcome_events import note_failure, note_for_breaker
from taskyard.worker.dispatch.outcomes import note_success
from taskyard.worker.dispatch.output_checks import OutputChecks
from taskyard.worker.dispatch.postponed import Postponed
from taskyard.worker.dispatch.recovery import Recovery
from taskyard.worker.dispatch.refusals import is_sent_elsewhere, take_back, take_released
from taskyard.worker.dispatch.report_parts import (
    claim_of_another,
    escaped,
    keep,
    set_forged_aside,
    storable_failure,
    storable_time,
)
from taskyard.worker.dispatch.suspension_intake import take_suspended
from taskyard.worker.dispatch.unprocessable import ESCAPES, settle, settle_escaped

log = structlog.get_logger(__name__)
_ANSWERED = ("checkpoint", "submit", "submit_workflow", "outcomes")  # kinds of reports


class Intake:
    """Reads reports into a batch. Held starts keep their entries in the results stream.

    A report that can't be read or processed is quarantined, whatever it is, and nothing else suffers: if it was the
    end of an attempt, that ends `unprocessable`, and a waiting requester gets an answer.
    """

    def __init__(
        self,
        leader_state: LeaderState,
        recovery: Recovery,
        registry: FleetTypes,
        limits: Limits,
        clock: Clock,
        postponed: Postponed,
        workflows: ChildWorkflows,
        predict: Predict | None = None,
    ) -> None:
        self._leader_state = leader_state
        self._registry = registry
        self._state_limit_bytes = limits.output_limit_bytes
        self._outputs = OutputChecks(registry, limits.output_limit_bytes)
        self._hedges = HedgeReports(leader_state, self._outputs, limits.output_limit_bytes, self._completed)
        self._clock = clock
        self._postponed = postponed
        self._entry = b""  # the entry being read
        self._sender: str | None = None  # whose credentials brought it
        self._held_starts = HeldStarts()
        self._workflows = workflows
        self._holders = ClaimHolders(leader_state)
        requests = AttemptRequests(self._holders, registry, limits, clock, workflows, predict)
        presence = AgentReports(leader_state, recovery)
        self._handlers: dict[type, Callable[..., None]] = {
            Released: self._released,
            Progress: requests.progress,
            Log: requests.log,
            Checkpoint: requests.checkpoint,
            SubmitChild: requests.submit_child,
            SubmitWorkflow: requests.submit_workflow,
            AskChildren: requests.ask_children,
            Suspended: self._suspended,
            Register: presence.register,
            Deregister: presence.deregister,
        }

    def read(self, entries: Iterable[tuple[bytes, bytes]], batch: Batch) -> None:
        """Reads some entries of the results stream."""
        now = self._clock.monotonic()
        for entry, payload in entries:
            self._entry, self._sender = entry, sender_of(entry)
            for report in read_reports(payload):
                try:
                    if self._sender and (problem := claim_of_another(report, self._sender, self._leader_state)):
                        set_forged_aside(entry, report, self._sender, problem, batch)
                        continue
                    self._leader_state.kept.check(report)
                    self._take(report, now, batch)
                except ESCAPES as error:
                    self._set_aside(escaped(report, error), batch)
            self._consume(entry, batch)

    def answer_workflows(self, batch: Batch) -> None:
        """Adds the answers to running tasks whose workflows are stored, or refused."""
        for entry in self._workflows.take(batch):
            self._consume(entry, batch)

    def _consume(self, entry: bytes, batch: Batch) -> None:
        """Notes that an entry of the results is no longer needed, unless something of it is held back."""
        if not any(one.keeps(entry) for one in (self._held_starts, self._workflows, self._leader_state.kept)):
            batch.consumed.append(entry)

    def _take(self, report: Report | Unreadable, now: float, batch: Batch) -> None:
        if self._leader_state.hedges and self._hedges.take(report, self._entry, self._sender, now, batch):
            return
        if type(report) is Done:
            self._done(report, batch)
        elif type(report) is Started:
            self._started(report, now, batch)
        elif isinstance(report, Unreadable):
            self._set_aside(report, batch)
        else:
            if isinstance(report, Request):
                batch.sources[report.request_id] = self._entry
            self._handlers[type(report)](report, batch)

    def release_starts(self, batch: Batch) -> None:
        """Records starts whose end did not follow at once."""
        now = self._clock.monotonic()
        for task_id in self._held_starts.due(now):
            start = self._forget_start(task_id, batch)
            if self._leader_state.find(task_id, start.attempt) is not None:
                batch.started.append((task_id, start.attempt, start.at))
                batch.sources[f"start {task_id}"] = start.entry

    @property
    def holds_starts(self) -> bool:
        """Returns True if a start waits to be recorded."""
        return bool(self._held_starts)

    def _set_aside(self, report: Unreadable, batch: Batch) -> None:
        """Keeps a newer agent's report, and quarantines any other; `report.kind` decides who must not wait for it."""
        if keep(self._leader_state.kept, report, self._sender, self._entry, batch):
            return
        entry = self._entry.decode()
        log.error("report.set_aside", entry=entry, kind=report.kind, reason=report.reason)
        ids = (report.task_id, report.attempt, report.agent_id)
        batch.odd.append(Odd("report", f"results {entry}", report.reason, report.text, *ids))
        if report.kind in ("done", "suspended") and report.task_id is not None and report.attempt is not None:
            claim = self._holders.find(report.kind, report.task_id, report.attempt, report.agent_id or "", batch)
            if claim is not None:
                self._forget_start_of(claim, batch)
                batch.reporters[claim.id] = claim.agent_id
                batch.sources[claim.id] = self._entry
                settle(self._leader_state, claim, report.reason, batch)
        elif report.kind in _ANSWERED and report.agent_id and report.request_id:
            refusal = f"{report.kind}: could not be processed: {report.reason}"
            batch.order(report.agent_id, Reply(report.request_id, None, refusal))

    def _claim_of_end(self, end: AttemptEnd, reported: str, batch: Batch) -> Claim | None:
        """Returns the claim that a report ends; one that does not count is recorded, and has no other effect."""
        claim = self._leader_state.find(end.task_id, end.attempt)
        if claim is None and self._postponed.holds_end(end.task_id, end.attempt):
            return None
        if claim is None or not self._holders.holds(claim, end.agent_id):
            self._holders.note_stale(reported, end.task_id, end.attempt, end.agent_id, batch, always=True)
            return None
        self._forget_start_of(claim, batch)
        batch.sources[claim.id] = self._entry
        batch.reporters[claim.id] = claim.agent_id
        return claim

    def _suspended(self, report: Suspended, batch: Batch) -> None:
        claim = self._claim_of_end(report, "suspended", batch)
        if claim is not None:
            policy, now = policy_of(self._registry, claim.row.type), self._clock.monotonic()
            take_suspended(self._leader_state, claim, report, policy, self._state_limit_bytes, now, batch)

    def _done(self, done: Done, batch: Batch) -> None:
        failure = done.failure
        reported = "completed" if failure is None else str(known_class(failure.error_class))
        claim = self._claim_of_end(done, reported, batch)
        if claim is None:
            return
        output = bytes(done.output).decode() if failure is None else ""
        done.started_at = storable_time(done.started_at)
        if failure is None:
            failure = self._outputs.refusal(output, claim.row.type, claim.agent_id, self._sender)
            if failure is None:
                self._leader_state.close(claim)
                self._completed(claim, done, output, batch)
                return
        if is_sent_elsewhere(self._leader_state, claim, failure, self._clock.monotonic(), batch):
            self._leader_state.close(claim)
            return
        policy = policy_of(self._registry, claim.row.type)
        settlement = judge(claim, storable_failure(failure), policy, random.random(), done=done)
        self._leader_state.close(claim)
        batch.settlements.append(settlement)
        note_failure(
            self._leader_state,
            batch,
            claim,
            known_class(failure.error_class),
            self._clock.monotonic(),
            will_retry=not settlement.ends_task,
            started_at=done.started_at,
            run_seconds=done.run_seconds,
        )

    def _completed(self, claim: Claim, done: Done, output: str, batch: Batch) -> None:
        row, leader_state = claim.row, self._leader_state
        leader_state.durations.note(row.type, done.run_seconds)
        leader_state.durations.runs.add((claim.id, claim.agent_id, done.run_seconds, ""))
        wait_seconds = max(0.0, done.started_at - claim.ready)
        note_success(batch.successes, row.type, claim.agent_id, wait_seconds, done.run_seconds)
        if leader_state.breakers.watches(row.type):
            note_for_breaker(leader_state, batch, claim, None, self._clock.monotonic())
        batch.completions.append(
            Completion(
                claim.id,
                claim.attempt,
                output,
                done.started_at,
                done.run_seconds,
                done.cpu_seconds,
                done.peak_memory_bytes,
                claim.beside,
            )
        )

    def _started(self, report: Started, now: float, batch: Batch) -> None:
        for task_id, attempt in report.pairs:
            claim = self._holders.find("started", task_id, attempt, report.agent_id, batch)
            if claim is None or claim.started is not None:
                continue
            if self._held_starts.attempt_of(task_id) is not None:
                self._forget_start(task_id, batch)  # the start of an earlier attempt, which is over
            claim.started, claim.started_at = now, storable_time(report.at)
            self._held_starts.hold(task_id, HeldStart(attempt, now, claim.started_at, self._entry))

    def _forget_start_of(self, claim: Claim, batch: Batch) -> None:
        """Drops the held start of an attempt whose end was reported, which includes it."""
        if self._held_starts.attempt_of(claim.id) == claim.attempt:
            self._forget_start(claim.id, batch)

    def _forget_start(self, task_id: str, batch: Batch) -> HeldStart:
        start, is_free = self._held_starts.release(task_id)
        if is_free:
            self._consume(start.entry, batch)
        return start

    def _released(self, report: Released, batch: Batch) -> None:
        if report.task_type is not None:
            batch.sources.update((task_id, self._entry) for task_id, _ in report.pairs)
            take_back(self._leader_state, report, report.task_type, batch)
            return
        agent = self._leader_state.agents.get(report.agent_id)
        if agent is not None and not report.pause_seconds:
            agent.slots.accepts_work = False  # it drains, as its next heartbeat will confirm
        for task_id, attempt in report.pairs:
            claim = self._holders.find("returned", task_id, attempt, report.agent_id, batch)
            if claim is not None:
                batch.sources[task_id] = self._entry
                try:
                    policy = policy_of(self._registry, claim.row.type)
                    take_released(self._leader_state, report, claim, policy, self._clock.monotonic(), batch)
                except ESCAPES as error:
                    settle_escaped(self._leader_state, claim, error, batch)
                self._leader_state.close(claim)
