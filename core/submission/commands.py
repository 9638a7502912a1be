"""Changes tasks for operators, one or several at once: a guarded transition, its commit, then a notice to Redis."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from taskyard.core.edges import CancelScope, RetryScope
from taskyard.core.errors import Busy, IllegalTransition, Unavailable
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.store import commands, dependants, locks, related_tasks
from taskyard.core.postgres.store import retries as retries_store
from taskyard.core.postgres.store.commands import Cancelled, Reprioritised
from taskyard.core.postgres.store.dependants import Slice
from taskyard.core.retry_outcome import RetryPreview, RetryResult
from taskyard.core.scheduling.retry_scope import check_scope
from taskyard.core.states import Priority
from taskyard.core.submission.priorities import check_priority
from taskyard.core.submission.questions import QuestionCommands
from taskyard.core.submission.retries import Done, Kinds, preview, refusal_error, retry_together, too_many
from taskyard.core.submission.signals import SignalSender
from taskyard.core.submission.task_ids import check_task_id as check_task_id
from taskyard.core.submission.task_ids import check_task_ids as check_task_ids

TREE_BATCH = 500  # tasks cancelled in one transaction
TREE_PATIENCE_SECONDS = 5.0  # with locked rows, as for all other commands of operators
TREE_PAUSE_SECONDS = 0.1

log = logging.getLogger(__name__)


def check_cancel_scope(value: object) -> CancelScope:
    """Returns the scope of a cancellation; raises SubmissionError."""
    if not isinstance(value, str) or value not in set(CancelScope):
        raise refused("scope", value, msg("one of {names}", names=", ".join(CancelScope)))
    return CancelScope(value)


class TaskCommands(SignalSender):
    """Commands on one task, thread-safe; `actor` and `reason` are kept in the task's history."""

    def cancel(self, task_id: str, *, actor: str, reason: str = "") -> None:
        """Cancels an unfinished task at once; a running one is stopped, and a retry makes it pending again.

        Tasks that wait for it are cancelled too. Raises TaskNotFound, IllegalTransition, Unavailable.
        """
        with self._transaction() as tx:
            cancelled, below = commands.cancel(tx, check_task_id(task_id), actor, reason)
        self._publish_cancelled([cancelled])
        self._cancel_below(below, actor)

    def retry(self, task_id: str, *, actor: str, reason: str = "", scope: str = RetryScope.THIS) -> RetryResult:
        """Makes a failed or cancelled task pending again with a new budget of attempts; its history is kept.

        With the scope `downstream` all that come after it run again, too, and wait for it; with `chain` the failed and
        cancelled ones before it as well, and all that come after any of these. Returns how many tasks run again.
        Raises SubmissionError, TaskNotFound, IllegalTransition, Unavailable.
        """
        id_, wanted = check_task_id(task_id), check_scope(scope)
        if wanted is RetryScope.THIS:
            with self._transaction() as tx:
                below = retries_store.count_cancelled_below(tx, id_)
                waiting = commands.retry(tx, id_, actor, reason)
            self._notifier.push([waiting])
            return RetryResult(1, below)
        done = self._retry_together([id_], wanted, actor, reason)
        if done is None:
            with self._database.transaction() as tx:
                raise too_many(tx, id_)
        if id_ in done.plan.refused:
            raise refusal_error(id_, done.plan.refused[id_])
        return RetryResult(len(done.plan.again))

    def preview_retry(self, task_id: str, scope: str = RetryScope.THIS) -> RetryPreview:
        """Returns what `retry` would do now; changes nothing. Raises as `retry` does."""
        id_, wanted = check_task_id(task_id), check_scope(scope)
        with self._database.transaction() as tx:
            return preview(tx, id_, wanted, self.check_kinds)

    def check_kinds(self, kinds: Kinds) -> None:
        """Raises NotPermitted if tasks of these queues and types may not be retried; here all may be."""

    def reprioritise(self, task_id: str, priority: str, *, actor: str, reason: str = "") -> None:
        """Changes the priority of a task that has no agent yet.

        Raises SubmissionError, TaskNotFound, IllegalTransition, Unavailable.
        """
        level = Priority(check_priority(priority))
        with self._transaction() as tx:
            changed = commands.reprioritise(tx, check_task_id(task_id), level, actor, reason)
        self._publish_reprioritised([changed])

    @property
    def questions(self) -> QuestionCommands:
        """Returns the commands on questions that tasks ask people."""
        return QuestionCommands(self._database, self._notifier, self._data_limit_bytes)

    # ours

    def _retry_together(self, task_ids: Sequence[str], scope: RetryScope, actor: str, reason: str) -> Done | None:
        """Runs `retry_together`, and notifies Redis."""
        with locks.naming_holders(self._database):
            done = retry_together(self._database, task_ids, scope, self.check_kinds, actor=actor, reason=reason)
        if done is None:
            return None
        waiting = done.retried.waiting
        if done.retried.blocked:
            try:
                with self._database.transaction() as tx:
                    waiting = [*waiting, *dependants.check_again(tx, done.retried.blocked)]
            except Unavailable as error:
                log.warning("parents of retried tasks are left to the leader: %s", error)
        self._notifier.forget(done.retried.unqueued)
        self._notifier.push(waiting)
        return done

    def _cancel_below(self, below: Slice, actor: str) -> int:
        """Cancels dependants of cancelled tasks slice by slice; returns how many, including the first slice.

        Dependants that are locked, or left over after an error, are cancelled by the leader.
        """
        count = len(below.cancelled)
        while below.cancelled and below.left:
            try:
                with self._database.transaction() as tx:
                    below = dependants.cancel_below(tx, below.left.failed, actor)
            except Unavailable as error:
                log.warning("dependants of cancelled tasks are left to the leader: %s", error)
                break
            count += len(below.cancelled)
        return count

    def _publish_cancelled(self, cancelled: Sequence[Cancelled]) -> None:
        self._notifier.forget([task.was for task in cancelled])
        for task in cancelled:
            if task.agent_id is not None:
                self._notifier.send_cancel(task.agent_id, task.was.id, task.attempt)

    def _publish_reprioritised(self, changed: Sequence[Reprioritised]) -> None:
        queued = [task for task in changed if task.is_queued]
        self._notifier.forget([task.waiting._replace(priority=int(task.earlier)) for task in queued])
        self._notifier.push([task.waiting for task in queued])


class ManyTaskCommands(TaskCommands):
    """Commands on several tasks at once; tasks whose state does not allow a command are left out.

    Each is one transaction, except `cancel_tree`. They raise SubmissionError, Busy or Unavailable.
    """

    def cancel_many(self, task_ids: Sequence[str], *, actor: str, reason: str) -> tuple[int, int]:
        """Cancels the unfinished ones; returns how many, and how many more that waited for them."""
        with self._transaction() as tx:
            cancelled, below = commands.cancel_many(tx, check_task_ids(task_ids), actor, reason)
        self._publish_cancelled(cancelled)
        return len(cancelled), self._cancel_below(below, actor)

    def retry_many(
        self, task_ids: Sequence[str], *, actor: str, reason: str, scope: str = RetryScope.THIS
    ) -> tuple[int, list[str]]:
        """Makes failed or cancelled tasks run again, those that can; returns how many, and which others besides.

        If more tasks than one transaction may change would run again, it takes several; a task with too many for one
        is left out.
        """
        ids, wanted = check_task_ids(task_ids), check_scope(scope)
        if wanted is RetryScope.THIS:
            with self._transaction() as tx:
                waiting = commands.retry_many(tx, ids, actor, reason)
            self._notifier.push(waiting)
            return len(waiting), []
        done = self._retry_together(ids, wanted, actor, reason)
        if done is not None:
            again = {task.id for task in done.plan.again}
            return len(again.intersection(ids)), sorted(again.difference(ids))
        if len(ids) == 1:
            return 0, []
        middle = len(ids) // 2
        count, besides = self.retry_many(ids[:middle], actor=actor, reason=reason, scope=scope)
        known = set(besides).intersection(ids)
        rest = [id_ for id_ in ids[middle:] if id_ not in known]
        more, others = self.retry_many(rest, actor=actor, reason=reason, scope=scope) if rest else (0, [])
        return count + len(known) + more, sorted({*besides, *others} - known)

    def reprioritise_many(self, task_ids: Sequence[str], priority: str, *, actor: str, reason: str) -> int:
        """Changes the priority of tasks that have no agent yet; returns how many."""
        level = Priority(check_priority(priority))
        with self._transaction() as tx:
            changed = commands.reprioritise_many(tx, check_task_ids(task_ids), level, actor, reason)
        self._publish_reprioritised(changed)
        return len(changed)

    def open_below(self, task_id: str) -> list[str]:
        """Returns the unfinished descendants that this task's handler submitted; cancelling it does not end them."""
        with self._database.transaction() as tx:
            return related_tasks.open_below(tx, check_task_id(task_id))

    def cancel_tree(self, task_id: str, *, actor: str, reason: str = "") -> int:
        """Cancels a task, if it is unfinished, and all its unfinished descendants; returns the number of descendants.

        The task goes first, so that it submits no more; then its descendants in batches until none is left. Rows
        locked by others are skipped and tried again for 5 s; Busy then says how many are left. Raises
        IllegalTransition if nothing is unfinished, and the errors of `cancel`.
        """
        below = self.open_below(task_id)
        try:
            self.cancel(task_id, actor=actor, reason=reason)
        except IllegalTransition:
            if not below:
                raise
        count, give_up_at = 0, time.monotonic() + TREE_PATIENCE_SECONDS
        while below := self.open_below(task_id):
            done = 0
            for first in range(0, len(below), TREE_BATCH):
                done += self.cancel_free(below[first : first + TREE_BATCH], actor, reason)[0]
            count += done
            if done:
                give_up_at = time.monotonic() + TREE_PATIENCE_SECONDS
            elif time.monotonic() > give_up_at:
                with locks.naming_holders(self._database):
                    raise _left(len(below))
            else:
                time.sleep(TREE_PAUSE_SECONDS)
        return count

    def cancel_free(self, task_ids: Sequence[str], actor: str, reason: str) -> tuple[int, int]:
        """Runs `cancel_many` on tasks whose rows are not locked; returns the same."""
        with self._transaction() as tx:
            cancelled, below = commands.cancel_many(tx, commands.lock_open(tx, task_ids), actor, reason)
        self._publish_cancelled(cancelled)
        return len(cancelled), self._cancel_below(below, actor)


def _left(count: int) -> Busy:
    text = msg("{left} unfinished tasks that it submitted are locked by another session: try again", left=count)
    return Busy(text, is_locked=True)
