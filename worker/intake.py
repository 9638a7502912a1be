"""What arrives from agents, turned into the tick's decisions: one method per kind of report."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable

import orjson
import structlog

from core.clock import Clock
from core.errors import ErrorClass, SubmissionError
from core.protocol import (
    MAX_INTEGER,
    Checkpoint,
    Done,
    Failure,
    Gone,
    Hello,
    Log,
    Progress,
    Reply,
    Report,
    Returned,
    Started,
    SubmitChild,
    Welcome,
    decode_reports,
    is_storable,
)
from core.registry import Registry
from core.store.ticking import Completion, Stale
from core.validation import Limits, check_output, validate_submission
from worker.batch import Batch, Child
from worker.decisions import hand_back, judge, known_class, policy_of
from worker.endings import note_failure, note_for_breaker
from worker.ledger import Claim, Ledger
from worker.monitor.outcomes import note_success
from worker.postponed import Postponed
from worker.recovery import Recovery

# A start younger than this waits for its end, so that a short task is one update instead of two.
START_DELAY_SECONDS = 0.05
LATEST_SECONDS = 253_402_300_799.0  # the end of the year 9999
_TASK_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

log = structlog.get_logger(__name__)


class Intake:
    """Reads reports into a batch. Starts that are held back keep their entries in the results stream."""

    def __init__(
        self,
        ledger: Ledger,
        recovery: Recovery,
        registry: Registry,
        limits: Limits,
        clock: Clock,
        postponed: Postponed,
    ) -> None:
        self._ledger = ledger
        self._recovery = recovery
        self._registry = registry
        self._limits = limits
        self._clock = clock
        self._postponed = postponed
        self._entry = b""  # that is being read
        self._held_starts: dict[str, tuple[int, float, float, bytes]] = {}  # id → attempt, since, at, entry
        self._held_entries: dict[bytes, int] = {}  # entry → how many starts it still holds
        self._handlers: dict[type, Callable[..., None]] = {
            Returned: self._returned,
            Progress: self._progress,
            Log: self._log,
            Checkpoint: self._checkpoint,
            SubmitChild: self._submit_child,
            Hello: self._hello,
            Gone: self._gone,
        }

    def read(self, entries: Iterable[tuple[bytes, bytes]], batch: Batch) -> None:
        """Takes everything from some entries of the results stream."""
        now = self._clock.monotonic()
        for entry, payload in entries:
            self._entry = entry
            for report in self._decoded(entry, payload):
                if type(report) is Done:
                    self._done(report, batch)
                elif type(report) is Started:
                    self._started(report, now, entry, batch)
                else:
                    self._handlers[type(report)](report, batch)
            if entry not in self._held_entries:
                batch.consumed.append(entry)

    def release_starts(self, batch: Batch) -> None:
        """Records starts whose end did not follow at once."""
        now = self._clock.monotonic()
        due = []
        for task_id, (attempt, since, at, _) in self._held_starts.items():
            if now - since < START_DELAY_SECONDS:
                break  # they are in order of arrival
            due.append((task_id, attempt, at))
        for start in due:
            entry = self._forget_start(start[0], batch)
            if self._ledger.find(start[0], start[1]) is not None:
                batch.started.append(start)
                batch.sources[f"start {start[0]}"] = entry

    @property
    def holds_starts(self) -> bool:
        """Whether a start waits to be recorded."""
        return bool(self._held_starts)

    def _decoded(self, entry: bytes, payload: bytes) -> list[Report]:
        try:
            return decode_reports(payload)
        except ValueError as error:
            # not from an agent of ours; keeping it would stop the whole stream
            log.error("results.unreadable", entry=entry.decode(), reason=str(error))
            return []

    def _done(self, done: Done, batch: Batch) -> None:
        task_id = done.task_id
        held = self._held_starts.get(task_id)
        if held is not None and held[0] == done.attempt:
            self._forget_start(task_id, batch)
        claim = self._ledger.find(task_id, done.attempt)
        failure = done.failure
        if claim is None:
            if not self._postponed.holds_end(task_id, done.attempt):
                self._stale(done, batch)
            return
        batch.sources[task_id] = self._entry
        self._ledger.close(claim)
        done.started_at = _storable_time(done.started_at)
        batch.reporters[task_id] = claim.agent_id
        if failure is None:
            output = bytes(done.output).decode("utf-8", "surrogatepass")
            problem = check_output(output, self._limits.output_limit_bytes)
            if problem is None:
                self._completed(claim, done, output, batch)
                return
            failure = Failure(ErrorClass.UNSTORABLE, problem)
        policy = policy_of(self._registry, claim.row.type)
        settlement = judge(claim, failure, policy, random.random(), done=done)
        batch.settlements.append(settlement)
        note_failure(
            self._ledger,
            batch,
            claim,
            known_class(failure.error_class),
            self._clock.monotonic(),
            will_retry=settlement.to_state != "failed",
            started_at=done.started_at,
            run_seconds=done.run_seconds,
        )

    def _completed(self, claim: Claim, done: Done, output: str, batch: Batch) -> None:
        row, ledger = claim.row, self._ledger
        ledger.durations.note(row.type, done.run_seconds)
        wait_seconds = max(0.0, done.started_at - claim.ready)
        note_success(batch.successes, row.type, claim.agent_id, wait_seconds, done.run_seconds)
        if ledger.breakers.watches(row.type):
            note_for_breaker(ledger, batch, claim, None, self._clock.monotonic())
        batch.completions.append(
            Completion(
                claim.id,
                claim.attempt,
                output,
                done.started_at,
                done.run_seconds,
                done.cpu_seconds,
                done.peak_memory_bytes,
            )
        )

    def _stale(self, done: Done, batch: Batch) -> None:
        if not _TASK_ID.fullmatch(done.task_id) or not 0 <= done.attempt <= MAX_INTEGER:
            log.error("results.unreadable", reason=f"no task's id or attempt: {done.task_id!r}, {done.attempt}")
            return
        reported = "completed" if done.failure is None else str(known_class(done.failure.error_class))
        batch.stale.append(Stale(done.task_id, done.attempt, None, reported))

    def _started(self, report: Started, now: float, entry: bytes, batch: Batch) -> None:
        held = 0
        for task_id, attempt in report.pairs:
            claim = self._ledger.find(task_id, attempt)
            if claim is None or claim.started is not None:
                continue
            if task_id in self._held_starts:
                self._forget_start(task_id, batch)  # an earlier attempt's, which is over
            claim.started, claim.started_at = now, _storable_time(report.at)
            self._held_starts[task_id] = (attempt, now, claim.started_at, entry)
            held += 1
        if held:
            self._held_entries[entry] = self._held_entries.get(entry, 0) + held

    def _forget_start(self, task_id: str, batch: Batch) -> bytes:
        """Releases its entry, which is returned."""
        entry = self._held_starts.pop(task_id)[3]
        self._held_entries[entry] -= 1
        if not self._held_entries[entry]:
            del self._held_entries[entry]
            batch.consumed.append(entry)
        return entry

    def _returned(self, report: Returned, batch: Batch) -> None:
        agent = self._ledger.agents.get(report.agent_id)
        if agent is not None:
            agent.slots.accepts_work = False  # it drains, as its next heartbeat will say
        for task_id, attempt in report.pairs:
            claim = self._ledger.find(task_id, attempt)
            if claim is not None:
                policy = policy_of(self._registry, claim.row.type)
                batch.settlements.append(hand_back(claim, policy, "its agent handed it back", random.random()))
                batch.sources[task_id] = self._entry
                self._ledger.close(claim)

    def _progress(self, report: Progress, batch: Batch) -> None:
        if self._ledger.find(report.task_id, report.attempt) is not None:
            batch.progress[report.task_id] = (report.task_id, report.attempt, report.fraction, report.message)

    def _log(self, report: Log, batch: Batch) -> None:
        claim = self._ledger.find(report.task_id, report.attempt)
        if claim is not None:
            detail = orjson.dumps({"level": report.level, "message": report.message}).decode()
            batch.logs.append((claim.id, "log", claim.attempt, f"agent:{claim.agent_id}", claim.agent_id, detail))

    def _checkpoint(self, report: Checkpoint, batch: Batch) -> None:
        problem = check_output(bytes(report.state), self._limits.output_limit_bytes)
        if self._ledger.find(report.task_id, report.attempt) is None:
            problem = "this attempt is no longer the current one"
        if problem is not None:
            batch.order(report.agent_id, Reply(report.request_id, None, f"checkpoint: {problem}"))
        else:
            batch.checkpoints.append(report)
            batch.sources[report.request_id] = self._entry

    def _submit_child(self, report: SubmitChild, batch: Batch) -> None:
        try:
            submission = validate_submission(
                report.child_type,
                report.input,
                **{"created_by": f"task:{report.task_id}", **report.options},
                idempotency_key=f"{report.task_id}/{report.ordinal}",
                creator_agent_id=report.agent_id,
                parent_id=report.task_id,
                registry=self._registry,
                limits=self._limits,
                now=self._clock.now(),
            )
        except SubmissionError as error:
            batch.order(report.agent_id, Reply(report.request_id, None, str(error)))
        except TypeError as error:
            batch.order(report.agent_id, Reply(report.request_id, None, f"options are not accepted: {error}"))
        else:
            batch.children.append(Child(report.agent_id, report.request_id, submission))
            batch.sources[report.request_id] = self._entry

    def _hello(self, report: Hello, batch: Batch) -> None:
        agent_id = report.agent.id
        if not report.agent.is_storable():
            log.error("results.unreadable", reason=f"an agent that can't be stored: {agent_id!r}")
            return
        if agent_id in self._ledger.ended:
            return
        if agent_id not in self._ledger.agents:
            self._ledger.add_agent(report.agent)
            batch.arrivals.append(report.agent)
        batch.order(agent_id, Welcome())

    def _gone(self, report: Gone, batch: Batch) -> None:
        if report.state not in ("left", "lost") or not is_storable(report.agent_id):
            log.error("results.unreadable", reason=f"no end of an agent: {report.agent_id!r}, {report.state!r}")
        elif report.agent_id not in self._ledger.ended:
            self._recovery.reap(report.agent_id, report.state, batch)


def _storable_time(at: float) -> float:
    """An agent's time within what PostgreSQL can store: its clock may say anything."""
    return at if 0.0 <= at <= LATEST_SECONDS else min(max(at, 0.0), LATEST_SECONDS)
