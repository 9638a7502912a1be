"""Runs bulk operations in this process, independent of the viewer who started them."""

from __future__ import annotations

import atexit
import logging
import threading
import uuid
from dataclasses import dataclass, replace
from datetime import datetime

import streamlit as st

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.edges import RetryScope
from taskyard.core.errors import TaskyardError, Unavailable
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.typed_text import checked
from taskyard.core.submission import bulk_preview
from taskyard.core.submission.bulk import Bulk, BulkResult
from taskyard.core.submission.bulk_operation import Action, Operation
from taskyard.core.submission.bulk_preview import Preview, Target
from taskyard.core.threads import OnEscape, start_thread
from taskyard.core.views.masking import check_bulk_search
from taskyard.core.views.narrowing import limited
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import connections, forget
from taskyard.dashboard.data.viewer import acting, actor

__all__ = ["Preview", "Target"]

MAX_AT_ONCE = 4
MAX_KEPT = 20
STOP_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """The current status of an operation. It runs until `ended_at`; then it has a `result`, or the `problem` that
    ended it.
    """

    id: str
    operation: Operation
    total: int
    started_at: datetime
    done: int = 0
    skipped: int = 0
    is_stopping: bool = False
    ended_at: datetime | None = None
    result: BulkResult | None = None
    problem: str = ""


class Runs:
    """The operations of this process, latest first. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._stops: dict[str, threading.Event] = {}
        atexit.register(self.close)

    def start(self, operation: Operation, target: Target, seen: Preview, bulk: Bulk) -> str:
        """Starts one in a thread and returns its id; raises SubmissionError if too many run, or Unavailable."""
        run = Run(str(uuid.uuid4()), operation, seen.changed, base.now())
        stop, begun = threading.Event(), threading.Event()

        def work() -> None:
            begun.wait()
            self._work(run.id, target, seen, bulk, stop)

        def give_up(error: BaseException) -> None:
            kind = type(error).__name__
            self._end(run.id, problem=msg("{kind}: the dashboard's log has the details", kind=kind))

        with self._lock:
            if len(self._threads) >= MAX_AT_ONCE:
                raise refused(
                    "operation",
                    operation.action.value,
                    msg("at most {count} at once: wait for one", count=MAX_AT_ONCE),
                )
            try:
                thread = start_thread(f"bulk {operation.action}", work, OnEscape.END_THREAD, mend=give_up)
            except RuntimeError as error:
                text = msg("the dashboard's process gets no thread for it: {reason}", reason=str(error))
                raise Unavailable(text) from None
            self._runs = dict([(run.id, run), *self._runs.items()][:MAX_KEPT])
            self._threads[run.id], self._stops[run.id] = thread, stop
        begun.set()
        return run.id

    def all(self) -> tuple[Run, ...]:
        """Returns all known operations."""
        with self._lock:
            return tuple(self._runs.values())

    def stop(self, run_id: str) -> None:
        """Stops one after its current batch; completed batches stay."""
        with self._lock:
            if run_id in self._stops:
                self._stops[run_id].set()
                self._runs[run_id] = replace(self._runs[run_id], is_stopping=True)

    def dismiss(self, run_id: str) -> None:
        """Forgets one that has ended."""
        with self._lock:
            if run_id not in self._threads:
                self._runs.pop(run_id, None)

    def close(self) -> None:
        """Stops all of them."""
        for run in self.all():
            self.stop(run.id)
        for thread in list(self._threads.values()):
            thread.join(STOP_SECONDS)

    # ours

    def _work(self, run_id: str, target: Target, seen: Preview, bulk: Bulk, stop: threading.Event) -> None:
        operation = self._runs[run_id].operation

        def progress(done: int, skipped: int, total: int) -> None:
            self._update(run_id, done=done, skipped=skipped, total=total)

        try:
            if target.only is None:
                result = bulk.run_listed(operation, target.ids, progress=progress, should_stop=stop.is_set)
            elif seen.ids is not None:  # what was shown, whatever matches by now
                result = bulk.run_listed(
                    operation, seen.ids, progress=progress, should_stop=stop.is_set, found_by=target.only
                )
            else:
                result = bulk.run_matching(
                    operation,
                    target.only,
                    matching=seen.matching,
                    progress=progress,
                    should_stop=stop.is_set,
                    at_most=seen.changed,
                )
        except TaskyardError as error:
            self._end(run_id, problem=error.text)
        except Exception as error:
            log.exception("an operation on many tasks failed")
            self._end(run_id, problem=msg("{kind}: the dashboard's log has the details", kind=type(error).__name__))
        else:
            self._end(run_id, result=result, done=result.done, skipped=result.skipped)

    def _update(self, run_id: str, **changes: object) -> None:
        with self._lock:
            if run_id in self._runs:
                self._runs[run_id] = replace(self._runs[run_id], **changes)  # type: ignore[arg-type]

    def _end(self, run_id: str, **changes: object) -> None:
        self._update(run_id, ended_at=base.now(), **changes)
        with self._lock:
            self._threads.pop(run_id, None)
            self._stops.pop(run_id, None)
        forget()  # counts are shared for longer than the list beside them


@st.cache_resource(show_spinner=False, on_release=Runs.close)
def runs() -> Runs:
    """Returns this process's operations."""
    return Runs()


def load_preview(action: Action, target: Target, priority: str | None = None, scope: str = RetryScope.THIS) -> Preview:
    """Previews an operation as the viewer, and fixes its tasks.

    Raises SubmissionError, NotPermitted, Busy or Unavailable.
    """
    permitted = acting()
    meant = _seen(permitted.actor, target)
    return bulk_preview.load_preview(
        connections().database, permitted, action, meant, priority, scope=scope, lists=True
    )


def start(
    action: Action,
    target: Target,
    seen: Preview,
    reason: str,
    priority: str | None = None,
    scope: str = RetryScope.THIS,
) -> str:
    """Starts an operation as the viewer and returns its id; raises SubmissionError, NotPermitted or Unavailable."""
    why = checked("reason", reason)
    permitted = acting()
    operation = Operation(action, permitted.actor.name, why, priority, scope)
    target = _seen(permitted.actor, target)
    if action is Action.RETRY:
        bulk_preview.check_bulk_retry(connections().database, permitted, operation, target)
    run_id = runs().start(operation, target, seen, permitted.bulk())
    forget()
    return run_id


def _seen(who: Actor, target: Target) -> Target:
    """Returns those of the tasks that an actor sees; raises NotPermitted for a search by what it may not read."""
    if target.only is None:
        return target  # each is checked by its id
    check_bulk_search(target.only, who)
    with connections().database.transaction() as tx:
        only = limited(tx, target.only, who)
    if only is None:
        raise refused("filter", target.only.as_json(), msg("a filter for tasks of your queues and types"))
    return Target(only=only)


def stop(run_id: str) -> None:
    """Stops an operation after its current batch; raises NotPermitted or Unavailable."""
    actor().require(Permission.TASK_OPERATE)
    runs().stop(run_id)


def dismiss(run_id: str) -> None:
    """Forgets an operation that has ended; raises NotPermitted or Unavailable."""
    actor().require(Permission.TASK_OPERATE)
    runs().dismiss(run_id)
