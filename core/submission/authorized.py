"""Checks and records each operation on tasks against the permissions of the user who performs it.

Doors (pages, the command line) act through here and through the modules beside it, `authorized_…`. The check is made
for each task at the moment it is changed, so no filter, list or file bypasses it: code that a task brings also runs
when the task is retried, alone or in bulk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from taskyard.core.access.identity import EVERY, PROCESS, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.edges import CancelScope, RetryScope
from taskyard.core.errors import IdempotencyConflict, NotPermitted, SubmissionError, TaskyardError
from taskyard.core.i18n import msg
from taskyard.core.new_task import Submission
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from taskyard.core.postgres.store.workflow_submission import Inserted
from taskyard.core.questions.question import Question
from taskyard.core.retry_outcome import RetryPreview, RetryResult
from taskyard.core.submission.authorized_commands import AuthorizedCommands
from taskyard.core.submission.authorized_workflows import AuthorizedWorkflows
from taskyard.core.submission.bulk import Bulk
from taskyard.core.submission.commands import ManyTaskCommands, check_cancel_scope, check_task_ids
from taskyard.core.submission.many import ProgressCallback
from taskyard.core.submission.open_keys import Alone
from taskyard.core.submission.retries import Kinds
from taskyard.core.submission.submit import Submitter
from taskyard.core.submission.validate import DEFAULT_QUEUE
from taskyard.core.task_types.registry import Registry, TaskType


def as_seen(error: TaskyardError, actor: Actor) -> TaskyardError:
    """Returns an error as an actor may see it: that a key is taken, but not by which task if that is not theirs."""
    if not isinstance(error, IdempotencyConflict) or error.queue is None or error.type is None:
        return error
    if actor.sees(error.queue, error.type):
        return error
    return SubmissionError(error.field, error.value, msg("a new key: this one is in use"))


class Authorized:
    """A submitter's operations on behalf of one actor. All raise NotPermitted in addition to the submitter's errors."""

    def __init__(self, submitter: Submitter, registry: Registry, database: Database, actor: Actor) -> None:
        self._submitter = submitter
        self._registry = registry
        self._database = database
        self.actor = actor

    def submit(self, type: str, input: Any, **options: Any) -> str:
        """See `Submitter.submit`; only this process's own user may name another creator."""
        self._check_submitted({"type": type, **options})
        with self.hiding_conflicts():
            return self._submitter.submit(type, input, **self._signed(options))

    def submit_once(self, type: str, input: Any, **options: Any) -> tuple[str, bool]:
        """Submits a task with an idempotency key; returns its id, and whether this call made it. A key that belongs
        to a task with other content is taken for the same call.
        """
        checked = self._submitter.check(type, input, self.signed(type, options))
        if isinstance(checked, str):
            return checked, False
        [result] = self._submitter.store_together([checked])
        if isinstance(result, Alone):
            result = self._submitter.store_alone(checked)
        if isinstance(result, IdempotencyConflict):
            return result.task_id, False
        if isinstance(result, SubmissionError):
            raise result
        return result, result == checked.id

    def submit_many(
        self, submissions: Iterable[Mapping[str, Any]], *, progress: ProgressCallback | None = None
    ) -> list[str]:
        """See `Submitter.submit_many`; nothing is stored if one of them is not permitted."""
        if self.actor.via == PROCESS and self._may_submit_anything():
            return self._submitter.submit_many(submissions, progress=progress)  # read as they are stored
        given = list(submissions)
        for one in given:
            self._check_submitted(one)
        with self.hiding_conflicts():
            return self._submitter.submit_many([self._signed(one) for one in given], progress=progress)

    @contextmanager
    def hiding_conflicts(self) -> Iterator[None]:
        """Keeps the errors of submissions from telling of tasks that the actor does not see."""
        try:
            yield
        except IdempotencyConflict as error:
            raise as_seen(error, self.actor) from None

    def signed(self, type: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the options of a permitted submission with its creator, for those who store it themselves."""
        self._check_submitted({"type": type, **options})
        return self._signed(options)

    def prepared(self, type: str, input: Any, options: Mapping[str, Any], created_by: str | None = None) -> Submission:
        """Returns a permitted submission for those who store it themselves, in the name of another creator if given.

        Raises SubmissionError, also for one whose key belongs to an earlier task.
        """
        signed = self.signed(type, options)
        if created_by is not None:
            signed["created_by"] = created_by
        found = self._submitter.check(type, input, signed)
        if isinstance(found, str):
            raise refused("idempotency_key", options.get("idempotency_key"), msg("one that no task has"))
        return found

    def acting_as(self, actor: Actor) -> Authorized:
        """Returns the same operations on behalf of another actor."""
        return Authorized(self._submitter, self._registry, self._database, actor)

    def wake_workflow(self, inserted: Inserted) -> None:
        """See `WorkflowSubmitter.wake`."""
        self._submitter.workflows.wake(inserted)

    def wake(self, task_ids: Sequence[str]) -> None:
        """See `Submitter.wake`."""
        self._submitter.wake(task_ids)

    def refusal_of(self, submission: Mapping[str, Any]) -> SubmissionError | None:
        """Returns why a submission is not permitted, as a problem of its queue or type; None if it is."""
        try:
            self._check_submitted(submission)
        except NotPermitted as error:
            type_, queue = submission["type"], submission.get("queue") or DEFAULT_QUEUE
            field, value = ("type", type_) if self._takes_queue(queue) else ("queue", queue)
            return refused(field, value, msg("what is permitted: {reason}", reason=error.text))
        return None

    def problems_of(self, submission: Mapping[str, Any]) -> list[SubmissionError]:
        """See `Submitter.problems_of`."""
        return self._submitter.problems_of(submission)

    def retry(self, task_id: str, reason: str, scope: str = RetryScope.THIS) -> RetryResult:
        """See `TaskCommands.retry`; every task that would run again is checked."""
        self.check_retried([task_id])
        return self._commands().retry(task_id, actor=self.actor.name, reason=reason, scope=scope)

    def preview_retry(self, task_id: str, scope: str = RetryScope.THIS) -> RetryPreview:
        """See `TaskCommands.preview_retry`."""
        self.check_retried([task_id])
        return self._commands().preview_retry(task_id, scope)

    def cancel(self, task_id: str, reason: str, scope: str = CancelScope.THIS) -> int:
        """See `Submitter.cancel` and `cancel_tree`, which its result is that of.

        Tasks that wait for it are cancelled whatever their queues and types.
        """
        if check_cancel_scope(scope) is CancelScope.TREE:
            return self.cancel_tree(task_id, reason)
        self.check_operated([task_id])
        self._submitter.cancel(task_id, actor=self.actor.name, reason=reason)
        return 0

    def cancel_tree(self, task_id: str, reason: str) -> int:
        """See `ManyTaskCommands.cancel_tree`."""
        self.check_operated([task_id])
        if self.actor.is_narrowed:
            self.check_operated(self.open_below(task_id))
        return self._submitter.commands.cancel_tree(task_id, actor=self.actor.name, reason=reason)

    def open_below(self, task_id: str) -> list[str]:
        """See `ManyTaskCommands.open_below`."""
        return self._submitter.commands.open_below(task_id)

    def reprioritise(self, task_id: str, priority: str, reason: str) -> None:
        """See `Submitter.reprioritise`."""
        self.check_operated([task_id])
        self._submitter.reprioritise(task_id, priority, actor=self.actor.name, reason=reason)

    def send_signal(self, task_id: str, name: str, data: Any, signal_id: str | None, reason: str) -> bool:
        """See `Submitter.send_signal`."""
        self.check_operated([task_id])
        return self._submitter.send_signal(
            task_id, name, data, actor=self.actor.name, signal_id=signal_id, reason=reason
        )

    def answer(self, question_id: object, decision: str, data: Any, reason: str) -> Question:
        """See `QuestionCommands.answer`."""
        return self._submitter.questions.answer(question_id, decision, data, actor=self.actor, reason=reason)

    def delegate(self, question_id: object, to: str, reason: str) -> bool:
        """See `QuestionCommands.delegate`."""
        return self._submitter.questions.delegate(question_id, to, actor=self.actor, reason=reason)

    def bulk(self) -> Bulk:
        """Returns operations on many tasks with the same checks, made for each batch before it is changed."""
        self.actor.require(Permission.TASK_OPERATE)
        return Bulk(self._database, self._commands())

    def workflows(self) -> AuthorizedWorkflows:
        """Returns the operations on workflows with the same checks."""
        commands = AuthorizedCommands(self._submitter.commands, self)
        return AuthorizedWorkflows(self, self._submitter, self._database, commands)

    def require_known(self, type_: str) -> None:
        """Raises UnknownTaskType if neither this process nor a registered agent has a task type."""
        if self._find(type_) is None:
            self._registry.get(type_)

    def is_guarded(self, type_: object) -> bool:
        """Returns True if tasks of a type need the permission code.submit, as those of an unknown type do."""
        known = self._find(type_) if isinstance(type_, str) else None
        return known is None or known.is_guarded

    def check_operated(self, task_ids: Sequence[str]) -> None:
        """Raises NotPermitted if this actor may not change one of these tasks."""
        self.actor.require(Permission.TASK_OPERATE)
        if self.actor.is_narrowed:
            self._check_each(task_ids)

    def check_retried(self, task_ids: Sequence[str]) -> None:
        """Raises NotPermitted if this actor may not retry one of these tasks."""
        self.actor.require(Permission.TASK_OPERATE)
        if self.actor.is_narrowed or not self.actor.may(Permission.CODE_SUBMIT):
            self.check_types(self._check_each(task_ids))

    def check_kinds(self, kinds: Kinds) -> None:
        """Raises NotPermitted if this actor may not retry tasks of these queues and types."""
        for queue, type_ in sorted(kinds):
            self.actor.require(Permission.TASK_OPERATE, queue=queue, type_=type_)
        if not self.actor.may(Permission.CODE_SUBMIT):
            self.check_types(sorted({type_ for _queue, type_ in kinds}))

    def check_types(self, types: Iterable[object]) -> None:
        """Raises NotPermitted if this actor may not run tasks of one of these types."""
        for type_ in types:
            if self.is_guarded(type_):
                self.actor.require(Permission.CODE_SUBMIT, because=self._danger(str(type_)))

    # ours

    def _commands(self) -> ManyTaskCommands:
        return AuthorizedCommands(self._submitter.commands, self)

    def _check_each(self, task_ids: Sequence[str]) -> set[str]:
        """Checks tasks against the patterns that narrow the actor; returns their types."""
        with self._database.transaction() as tx:
            found = {(task.queue, task.type) for task in tasks.tasks_of(tx, check_task_ids(task_ids))}
        for queue, type_ in sorted(found):
            self.actor.require(Permission.TASK_OPERATE, queue=queue, type_=type_)
        return {type_ for _queue, type_ in found}

    def _check_submitted(self, given: Mapping[str, Any]) -> None:
        """Checks one submission; what is no text is refused by name elsewhere."""
        type_, queue = given.get("type"), given.get("queue", DEFAULT_QUEUE)
        queue = DEFAULT_QUEUE if queue is None else queue
        if not isinstance(type_, str) or not isinstance(queue, str):
            self.actor.require(Permission.TASK_SUBMIT)
            return
        self.actor.require(Permission.TASK_SUBMIT, queue=queue, type_=type_)
        if self._find(type_) is not None:  # an unknown one is refused by name elsewhere
            self.check_types([type_])

    def _takes_queue(self, queue: str) -> bool:
        try:
            self.actor.require(Permission.TASK_SUBMIT, queue=queue)
        except NotPermitted:
            return False
        return True

    def _find(self, type_: str) -> TaskType | None:
        return self._registry.types.get(type_) or self._submitter.find_published(type_)

    def _may_submit_anything(self) -> bool:
        self.actor.require(Permission.TASK_SUBMIT)
        return self.actor.may(Permission.CODE_SUBMIT) and self.actor.sees(EVERY, EVERY)

    def _signed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if self.actor.via == PROCESS and "created_by" in given:
            return dict(given)
        return {**given, "created_by": self.actor.name}

    def _danger(self, type_: str) -> str:
        known = self._find(type_)
        if known is None:
            return msg("tasks of type {type}, which is not known here, may run code", type=type_)
        if known.runs_code:
            return msg("tasks of type {type} run code", type=type_)
        return msg("tasks of type {type} read files of the agent's host", type=type_)
