"""Handles what a running task sends: progress, log lines, and requests, each of which is answered."""

from __future__ import annotations

import orjson

from taskyard.core.clock import Clock
from taskyard.core.errors import SubmissionError
from taskyard.core.ids import is_id
from taskyard.core.learning.prediction import Predict
from taskyard.core.protocol import AskChildren, Checkpoint, Log, Progress, Reply, SubmitChild, SubmitWorkflow
from taskyard.core.submission.options import CHILD_OPTIONS
from taskyard.core.submission.validate import Limits, check_output, validate_submission
from taskyard.worker.dispatch.batch import Batch, Child, OutcomesAsked
from taskyard.worker.dispatch.child_workflows import ChildWorkflows
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.claim_holders import ClaimHolders
from taskyard.worker.dispatch.fleet_types import FleetTypes


def add_line(report: Log, claim: Claim, batch: Batch) -> None:
    """Adds a line to the log of an attempt's task."""
    detail = orjson.dumps({"level": report.level, "message": report.message}).decode()
    batch.logs.append((claim.id, "log", claim.attempt, f"agent:{claim.agent_id}", claim.agent_id, detail))


class AttemptRequests:
    """Turns it into what the batch stores, or into refusals."""

    def __init__(
        self,
        holders: ClaimHolders,
        registry: FleetTypes,
        limits: Limits,
        clock: Clock,
        workflows: ChildWorkflows,
        predict: Predict | None = None,
    ) -> None:
        self._holders = holders
        self._registry = registry
        self._limits = limits
        self._clock = clock
        self._workflows = workflows
        self._predict = predict

    def progress(self, report: Progress, batch: Batch) -> None:
        """Stores how far an attempt is."""
        if self._holders.find("progress", report.task_id, report.attempt, report.agent_id, batch) is not None:
            batch.progress[report.task_id] = (report.task_id, report.attempt, report.fraction, report.message)

    def log(self, report: Log, batch: Batch) -> None:
        """Adds a line to the task's log."""
        claim = self._holders.find("log", report.task_id, report.attempt, report.agent_id, batch)
        if claim is not None:
            add_line(report, claim, batch)

    def checkpoint(self, report: Checkpoint, batch: Batch) -> None:
        """Stores a checkpoint for the next attempt."""
        holder = report.holder or report.agent_id
        problem = check_output(bytes(report.state), self._limits.output_limit_bytes)
        if self._holders.find("checkpoint", report.task_id, report.attempt, holder, batch) is None:
            problem = self._holders.why_not(report.task_id, report.attempt)
        if problem is not None:
            batch.order(report.agent_id, Reply(report.request_id, None, f"checkpoint: {problem}"))
        else:
            batch.checkpoints.append(report)

    def ask_children(self, report: AskChildren, batch: Batch) -> None:
        """Adds that a running task asks how its children ended."""
        holder, wanted = report.holder or report.agent_id, report.ids
        problem = "" if wanted is None or all(map(is_id, wanted)) else "not all of them are ids of tasks"
        if report.after and not is_id(report.after):
            problem = "the page does not begin after the id of a task"
        if self._holders.find("outcomes", report.task_id, report.attempt, holder, batch) is None:
            problem = self._holders.why_not(report.task_id, report.attempt)
        if problem:
            batch.order(report.agent_id, Reply(report.request_id, None, f"children: {problem}"))
            return
        pair = (report.task_id, report.attempt)
        ids = None if wanted is None else sorted(set(wanted))
        batch.outcomes_asked.append(OutcomesAsked(report.agent_id, report.request_id, pair, ids, report.after))

    def submit_child(self, report: SubmitChild, batch: Batch) -> None:
        """Adds a child of a running task."""
        holder = report.holder or report.agent_id
        if self._holders.find("submit", report.task_id, report.attempt, holder, batch) is None:
            refusal = f"submit: {self._holders.why_not(report.task_id, report.attempt)}"
            batch.order(report.agent_id, Reply(report.request_id, None, refusal))
            return
        unknown = sorted(set(report.options) - set(CHILD_OPTIONS))
        if unknown:
            refusal = f"submit: {unknown[0]!r} is not accepted, expected one of {', '.join(CHILD_OPTIONS)}"
            batch.order(report.agent_id, Reply(report.request_id, None, refusal))
            return
        try:
            submission = validate_submission(
                report.child_type,
                report.input,
                **report.options,
                created_by=f"task:{report.task_id}",
                idempotency_key=f"{report.task_id}/{report.key or report.ordinal}",
                creator_agent_id=holder,
                parent_id=report.task_id,
                registry=self._registry,
                limits=self._limits,
                now=self._clock.now(),
                predict=self._predict,
            )
        except SubmissionError as error:
            batch.order(report.agent_id, Reply(report.request_id, None, str(error)))
        else:
            pair = (report.task_id, report.attempt)
            batch.children.append(Child(report.agent_id, report.request_id, submission, pair))

    def submit_workflow(self, report: SubmitWorkflow, batch: Batch) -> None:
        """Has a workflow of a running task stored, which answers later."""
        holder = report.holder or report.agent_id
        if self._holders.find("submit", report.task_id, report.attempt, holder, batch) is None:
            refusal = f"submit: {self._holders.why_not(report.task_id, report.attempt)}"
            batch.order(report.agent_id, Reply(report.request_id, None, refusal))
            return
        self._workflows.add(report, batch.sources[report.request_id])
