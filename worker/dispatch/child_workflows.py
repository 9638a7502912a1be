"""Checks and stores the workflows that running tasks submit, in a thread of its own: the tick may not wait for that.

Each is one transaction that locks its parent's row (P17), as a caller's submission is one. Its request stays in the
results stream until it is answered, so a leader that takes over answers it again; its key makes that the same workflow.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import Any

import orjson
import psycopg2
import structlog

from taskyard.core.clock import Clock
from taskyard.core.errors import SubmissionError, Unavailable
from taskyard.core.learning.prediction import Predict
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tick, workflow_submission
from taskyard.core.postgres.store.workflow_submission import Inserted
from taskyard.core.protocol import Reply, SubmitWorkflow
from taskyard.core.redis.ports import LeaderPort
from taskyard.core.submission.queue_notifier import QueueNotifier
from taskyard.core.submission.validate import Limits
from taskyard.core.submission.workflow_check import WorkflowCall, check_workflow
from taskyard.core.submission.workflow_submission import group_call
from taskyard.core.submission.workflow_types import WorkflowTypes
from taskyard.core.threads import OnEscape, Supervised, retire, start_thread
from taskyard.core.workflows.checked import CheckedWorkflow
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.claim_holders import NOT_CURRENT
from taskyard.worker.dispatch.fleet_types import FleetTypes
from taskyard.worker.dispatch.unprocessable import ESCAPES, reason_of

MAX_LISTED = 10  # problems of a workflow that an answer names
MAX_WAITING_BYTES = 64 << 20  # of calls: from then on nothing more is read from the results stream
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.05, 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request, and its entry of the results stream."""

    report: SubmitWorkflow
    entry: bytes

    @property
    def size(self) -> int:
        return len(bytes(self.report.call))


@dataclass(frozen=True, slots=True)
class _Answered:
    """A request with its answer."""

    asked: _Asked
    reply: Reply


class ChildWorkflows:
    """The workflows that running tasks submit in one term. `add`, `keeps` and `take` are the dispatcher's."""

    def __init__(
        self,
        database_url: str,
        broker: LeaderPort,
        registry: FleetTypes,
        limits: Limits,
        clock: Clock,
        predict: Predict | None = None,
    ) -> None:
        self._database_url = database_url
        self._notifier = QueueNotifier(broker)
        self._registry = registry
        self._limits = limits
        self._clock = clock
        self._predict = predict
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._answered: deque[_Answered] = deque()
        self._entries: Counter[bytes] = Counter()  # how many requests of each are not answered
        self._bytes = 0
        self._thread: Supervised | None = None
        self._is_over = threading.Event()

    def add(self, report: SubmitWorkflow, entry: bytes) -> None:
        """Takes a request of an attempt that is current as far as the leader knows."""
        asked = _Asked(report, entry)
        self._entries[entry] += 1
        self._bytes += asked.size
        if self._thread is None:
            self._thread = start_thread("child workflows", self._run, OnEscape.GO_ON, is_over=self._is_over.is_set)
        self._asked.put(asked)

    def keeps(self, entry: bytes) -> bool:
        """Returns True if a request of this entry is not answered."""
        return entry in self._entries

    @property
    def is_full(self) -> bool:
        """Returns True if so much waits that nothing more should be read."""
        return self._bytes >= MAX_WAITING_BYTES

    def take(self, batch: Batch) -> list[bytes]:
        """Adds the answers that are there to a batch; returns the entries whose last request that answers."""
        free = []
        while self._answered:
            one = self._answered.popleft()
            batch.order(one.asked.report.agent_id, one.reply)
            self._bytes -= one.asked.size
            self._entries[one.asked.entry] -= 1
            if not self._entries[one.asked.entry]:
                del self._entries[one.asked.entry]
                free.append(one.asked.entry)
        return free

    def close(self) -> None:
        """Ends the thread after the workflow that it stores; what is left is asked again of the next term."""
        self._is_over.set()
        self._asked.put(None)
        if self._thread is not None:
            retire(self._thread)

    # in its thread

    def _run(self) -> None:
        database = Database(self._database_url, pool_size=1)
        try:
            while (asked := self._asked.get()) is not None and not self._is_over.is_set():
                self._answer(database, asked)
        finally:
            database.close()

    def _answer(self, database: Database, asked: _Asked) -> None:
        request_id, inserted = asked.report.request_id, None
        try:
            inserted = self._submitted(database, asked.report)
        except _OverError:
            return
        except SubmissionError as error:
            reply = Reply(request_id, None, _all_of(error))
        except psycopg2.DataError as error:  # validation should have refused it
            reply = Reply(request_id, None, f"tasks: what PostgreSQL can't store: {reason_of(error)}")
        except ESCAPES as error:
            log.exception("workflow.failed", task=asked.report.task_id)
            reply = Reply(request_id, None, f"submit_workflow: could not be processed: {reason_of(error)}")
        else:
            refusal = f"submit: {NOT_CURRENT}" if inserted is None else None
            reply = Reply(request_id, None if inserted is None else inserted.submitted._asdict(), refusal)
        self._answered.append(_Answered(asked, reply))
        if inserted is not None:
            self._notifier.push(inserted.waiting)  # which also wakes the dispatcher

    def _submitted(self, database: Database, report: SubmitWorkflow) -> Inserted | None:
        """Stores a workflow; returns None for an attempt that is not its task's current one.

        Raises SubmissionError with its problems, and _OverError with the term.
        """
        types = WorkflowTypes(self._registry, self._registry.published)
        call = _call_of(orjson.loads(bytes(report.call)), report)
        workflow = check_workflow(call, types, self._limits, self._clock.now(), self._predict)
        pair = (report.task_id, report.attempt)
        pause = FIRST_PAUSE_SECONDS
        while not self._is_over.is_set():
            try:
                inserted, is_current = _store(database, workflow, pair)
            except Unavailable as error:
                log.warning("workflow.waiting", task=report.task_id, reason=str(error))
            else:
                if inserted is not None or not is_current:
                    return inserted
            self._is_over.wait(pause)  # somebody holds the row of its parent, or PostgreSQL is away
            pause = min(2 * pause, MAX_PAUSE_SECONDS)
        raise _OverError


class _OverError(Exception):
    """The term is over."""


def _store(database: Database, workflow: CheckedWorkflow, parent: tuple[str, int]) -> tuple[Inserted | None, bool]:
    """Stores a workflow under a lock on its parent's row; returns it, and whether the attempt is current."""
    with database.transaction() as tx:
        if tick.lock_current(tx, [parent]):
            return workflow_submission.insert(tx, workflow), True
        return None, bool(tick.still_current(tx, [parent]))


def _call_of(given: Any, report: SubmitWorkflow) -> WorkflowCall:
    """Returns the call in a report; raises SubmissionError for one that is none."""
    given = given if isinstance(given, dict) else {}
    name, title, tasks = given.get("name"), given.get("title"), given.get("tasks")
    call = group_call(name, tasks, title) if isinstance(tasks, list) else WorkflowCall(name, tasks, title=title)
    return replace(
        call,
        idempotency_key=f"{report.task_id}/{report.key}",
        created_by=f"task:{report.task_id}",
        parent_task_id=report.task_id,
        creator_agent_id=report.holder or report.agent_id,
    )


def _all_of(error: SubmissionError) -> str:
    """Returns the problems of a workflow on one line."""
    parts = error.parts or (error,)
    more = f"; and {len(parts) - MAX_LISTED} more" if len(parts) > MAX_LISTED else ""
    return "; ".join(str(part) for part in parts[:MAX_LISTED]) + more
